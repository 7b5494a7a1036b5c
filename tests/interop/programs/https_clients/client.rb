# Prints the page at a URL, by open-uri.
require 'open-uri'

puts URI.open(ARGV[0]).read
