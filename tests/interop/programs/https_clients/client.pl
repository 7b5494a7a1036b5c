# Prints the page at a URL, by LWP.
use strict;
use warnings;
use LWP::UserAgent;

my $answer = LWP::UserAgent->new(env_proxy => 1)->get($ARGV[0]);
die $answer->status_line, "\n" unless $answer->is_success;
print $answer->content;
