# What happens next to a soft drop, and when a statement counts as slower, case by case: programs that are linked with one file
# of src/softdrop/ each and nothing of the server.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);

for my $what (qw(states noise))
{
	system('gcc', '-std=gnu11', '-Isrc', "-I$include", '-o', "$dir/$what",
		"test/softdrop/${what}_cases.c", "src/softdrop/$what.c", '-lm') == 0
	  or BAIL_OUT("could not build the table of cases of $what");
	for my $line (split /\n/, `$dir/$what`)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, "$what: $2") }
		elsif ($line =~ /^# (.*)/) { diag($1) }
	}
}
done_testing();
