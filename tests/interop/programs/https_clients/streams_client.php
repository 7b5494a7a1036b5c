<?php
// Prints the page at a URL, by PHP's streams, which know no variables for proxies.
$options = ['protocol_version' => '1.1'];
if (getenv('https_proxy')) {
    $options['proxy'] = str_replace('http://', 'tcp://', getenv('https_proxy'));
}
$page = @file_get_contents($argv[1], false, stream_context_create(['http' => $options]));
if ($page === false) {
    fwrite(STDERR, error_get_last()['message'] . "\n");
    exit(1);
}
echo $page;
