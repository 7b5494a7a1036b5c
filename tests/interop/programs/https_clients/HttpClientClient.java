import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/** Prints the page at a URL, by java.net.http, which would rather speak HTTP/2. */
class HttpClientClient {
  public static void main(String[] arguments) throws Exception {
    var client = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).build();
    var answer = client.send(HttpRequest.newBuilder(URI.create(arguments[0])).build(), BodyHandlers.ofString());
    if (answer.statusCode() != 200) throw new IllegalStateException("status " + answer.statusCode());
    System.out.println(answer.body());
  }
}
