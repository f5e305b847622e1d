#!/usr/bin/perl
# damage.pl SEED FILE: change some bytes of a file of capture, and make its check sum (CRC-32C at the end) right again.
use strict;
use warnings;

my ($seed, $file) = @ARGV;
srand($seed);
open(my $in, '<:raw', $file) or die "$file: $!";
my $data = do { local $/; <$in> };
close $in;
my $body = substr($data, 0, -4);
my $header = 48;    # left alone mostly: a file of another server is not read any further

for (0 .. int rand 8)
{
	my $what = rand;
	my $at = rand() < 0.05 ? int rand $header : $header + int rand(length($body) - $header);
	if ($what < 0.3) { substr($body, $at, 1) = chr int rand 256 }
	elsif ($what < 0.5) { substr($body, $at, 8) = pack('q', (0, -1, 2**62, -2**62, 1, 127)[rand 6]) }
	elsif ($what < 0.6) { substr($body, $at, 4) = pack('l', (0, -1, 2**31 - 1, 1000000, 33)[rand 5]) }
	elsif ($what < 0.7) { substr($body, $at, 64) = chr(int rand 256) x 64 }
	elsif ($what < 0.8) { $body = substr($body, 0, $at) }
	elsif ($what < 0.9) { $body .= substr($body, $at, 500) }
	else { substr($body, $at, 0) = substr($body, $header, int rand 300) }
	last if length($body) <= $header + 1;
}

my @table = map {
	my $c = $_;
	$c = $c & 1 ? ($c >> 1) ^ 0x82F63B78 : $c >> 1 for 1 .. 8;
	$c
} 0 .. 255;
my $crc = 0xFFFFFFFF;
$crc = $table[($crc ^ $_) & 0xFF] ^ ($crc >> 8) for unpack 'C*', $body;
open(my $out, '>:raw', $file) or die "$file: $!";
print $out $body, pack('L', $crc ^ 0xFFFFFFFF);
close $out or die "$file: $!";
