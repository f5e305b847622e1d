# What happens next to a soft drop, when a statement counts as slower and when a pool as busy, case by case, and how often a
# statement does by chance: programs that are linked with one file of src each and nothing of the server.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $dir = tempdir(CLEANUP => 1);

for my $path (qw(softdrop/states_cases softdrop/noise_cases softdrop/noise_simulation alerts/hysteresis_cases))
{
	my ($room, $program, $what) = $path =~ /(\w+)\/((\w+)_\w+)/;

	system('gcc', '-std=gnu11', '-O1', '-Isrc', "-I$include", '-o', "$dir/$program",
		"test/$path.c", "src/$room/$what.c", '-lm') == 0
	  or die("could not build $program");
	for my $line (split /\n/, `$dir/$program`)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, "$what: $2") }
		elsif ($line =~ s/^# //) { $program =~ /simulation/ ? note($line) : diag($line) }
	}
}
done_testing();
