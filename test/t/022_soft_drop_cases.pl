# What happens next to a soft drop, and when a statement counts as slower, case by case, and how often it does by chance:
# programs that are linked with one file of src/softdrop/ each and nothing of the server.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);

for my $program (qw(states_cases noise_cases noise_simulation))
{
	my ($what) = $program =~ /(\w+)_/;

	system('gcc', '-std=gnu11', '-O1', '-Isrc', "-I$include", '-o', "$dir/$program",
		"test/softdrop/$program.c", "src/softdrop/$what.c", '-lm') == 0
	  or BAIL_OUT("could not build $program");
	for my $line (split /\n/, `$dir/$program`)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, "$what: $2") }
		elsif ($line =~ s/^# //) { $program =~ /simulation/ ? note($line) : diag($line) }
	}
}
done_testing();
