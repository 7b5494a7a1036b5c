#include "daemon/ca/trust_clients.h"

#include "core/base/origin.h"

namespace keepwarm::daemon {
namespace {

constexpr const char* kPython = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=10)";
constexpr const char* kRequests = "import sys, requests; requests.get(sys.argv[1], timeout=10)";
constexpr const char* kRuby = "Net::HTTP.get_response(URI(ARGV[0]))";
constexpr const char* kPerl = "my $u = LWP::UserAgent->new(timeout => 10); $u->env_proxy; $u->get($ARGV[0])";
constexpr const char* kPhpStreams =
    R"($c = stream_context_create(["http" => ["proxy" => "tcp://127.0.0.1:" . $argv[2], "timeout" => 10]]);)"
    R"( file_get_contents($argv[1], false, $c);)";
constexpr const char* kPhpCurl =
    R"($c = curl_init($argv[1]); curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 10]);)"
    R"( curl_exec($c); fwrite(STDERR, curl_error($c));)";
/// Node.js takes no proxy from the environment before release 24.
constexpr const char* kNode =
    R"(const [host, port] = process.argv.slice(1); const end = e => { console.error(e.message); process.exit(1); };)"
    R"( require('http').request({host: '127.0.0.1', port, method: 'CONNECT', path: host + ':443'}).on('error', end))"
    R"(.on('connect', (_, socket) => { const tls = require('tls').connect({socket, host,)"
    R"( servername: require('net').isIP(host) ? '' : host}, () => { tls.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');)"
    R"( tls.on('data', () => process.exit(0)); }).on('error', end); }).end())";

constexpr const char* kByVariable = "keepwarm exec, or keepwarm env --ca";
constexpr const char* kBySystem = "keepwarm ca install (it follows no variable)";

}  // namespace

std::vector<TrustClient> trust_clients(const Machine& machine, const std::string& host, std::uint16_t port) {
  const std::string authority = "https://" + host_in_url(host);
  const std::string url = authority + '/';
  const std::string number = std::to_string(port);
  std::vector<TrustClient> clients;
  const auto add = [&](const char* program, TrustClient client) {
    std::string path = machine.program(program);
    if (path.empty()) return;
    for (std::string& word : client.command) word = word == "@" ? path : word;
    for (std::string& word : client.is_there) word = word == "@" ? path : word;
    clients.push_back(std::move(client));
  };
  const std::string env = machine.program("env");
  add("curl", {"curl", {"@", "-sS", "-o", "/dev/null", "--max-time", "10", url}, {}, kByVariable});
  add("wget", {"wget", {"@", "-O", "/dev/null", "-t", "1", "-T", "10", url}, {}, kBySystem});
  add("python3", {"python3 ssl", {"@", "-c", kPython, url}, {}, kByVariable});
  add("python3", {"python3 requests", {"@", "-c", kRequests, url}, {"@", "-c", "import requests"}, kByVariable});
  add("pip", {"pip",
              {"@", "download", "-q", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--retries", "0",
               "--timeout", "10", "--index-url", url + "simple/", "-d", ".", "keepwarm-trust-test"},
              {},
              kByVariable});
  add("git", {"git", {env, "GIT_TERMINAL_PROMPT=0", "@", "ls-remote", url + "x.git"}, {}, kByVariable});
  add("node", {"node", {"@", "-e", kNode, "--", host, number}, {}, kByVariable});
  add("npm", {"npm",
              {"@", "view", "keepwarm-trust-test", "--registry=" + url, "--fetch-retries=0", "--fetch-timeout=10000",
               "--no-update-notifier"},
              {},
              kByVariable});
  add("php", {"php streams", {"@", "-r", kPhpStreams, "--", url, number}, {}, kByVariable});
  add("php", {"php curl",
              {"@", "-r", kPhpCurl, "--", url},
              {"@", "-r", R"(exit(extension_loaded("curl") ? 0 : 1);)"},
              kBySystem});
  add("java",
      {"java", {"@", "Request.java", url, number}, {}, "keepwarm exec --java, or keepwarm ca install --store all"});
  add("ruby", {"ruby", {"@", "-rnet/http", "-e", kRuby, url}, {}, kByVariable});
  add("perl", {"perl LWP",
               {"@", "-MLWP::UserAgent", "-e", kPerl, url},
               {"@", "-MLWP::UserAgent", "-MLWP::Protocol::https", "-e", "1"},
               kByVariable});
  add("go", {"go",
             {env, "GOPROXY=" + authority, "GOFLAGS=-mod=mod", "GONOSUMDB=*", "GOTOOLCHAIN=local", "GO111MODULE=on",
              "@", "list", "-m", "keepwarm.invalid/trust@latest"},
             {},
             kByVariable});
  return clients;
}

std::string java_request() {
  return "public class Request {\n"
         "  public static void main(String[] a) throws Exception {\n"
         "    java.net.InetSocketAddress at = new java.net.InetSocketAddress(\"127.0.0.1\", Integer.parseInt(a[1]));\n"
         "    java.net.Proxy proxy = new java.net.Proxy(java.net.Proxy.Type.HTTP, at);\n"
         "    ((java.net.HttpURLConnection) new java.net.URL(a[0]).openConnection(proxy)).getResponseCode();\n"
         "  }\n"
         "}\n";
}

}  // namespace keepwarm::daemon
