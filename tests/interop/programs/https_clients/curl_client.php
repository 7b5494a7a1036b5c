<?php
// Prints the page at a URL, by PHP's curl, which knows https_proxy and none of the variables for authorities.
$curl = curl_init($argv[1]);
curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_FAILONERROR => true]);
$page = curl_exec($curl);
if ($page === false) {
    fwrite(STDERR, curl_error($curl) . "\n");
    exit(1);
}
echo $page;
