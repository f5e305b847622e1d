# What can be decided without a server, case by case: the rules of the verdict
# (test/verdict/cases.c), and verdicts on more than one index (wholes.c).  Each is a
# program that is linked with one file of guard's and nothing of the server.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);

sub run_cases
{
	my ($cases, $source) = @_;

	system('gcc', '-std=gnu11', '-O1', '-Isrc', "-I$include", '-o', "$dir/$cases",
		"test/verdict/$cases.c", $source) == 0
	  or die("could not build the table of $cases");
	for my $line (split /\n/, `$dir/$cases`)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, $2) }
		elsif ($line =~ /^# (.*)/) { diag($1) }
	}
	return;
}

run_cases('cases', 'src/policy/verdict.c');
run_cases('wholes', 'src/policy/verdict.c');
done_testing();
