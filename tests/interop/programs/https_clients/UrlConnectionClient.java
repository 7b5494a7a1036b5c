import java.net.URL;

/** Prints the page at a URL, by HttpsURLConnection. */
class UrlConnectionClient {
  public static void main(String[] arguments) throws Exception {
    try (var page = new URL(arguments[0]).openConnection().getInputStream()) {
      page.transferTo(System.out);
    }
    System.out.flush();
  }
}
