# The model of predicted time, case by case: test/verdict/prediction.c, a
# program that is linked with src/evidence/prediction_model.c and nothing of
# the server.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

chomp(my $include = `pg_config --includedir-server`);
my $program = tempdir(CLEANUP => 1) . '/cases';

system('gcc', '-std=gnu11', '-O1', '-Isrc', "-I$include", '-o', $program,
	'test/verdict/prediction.c', 'src/evidence/prediction_model.c') == 0
  or die('could not build the table of cases');

for my $line (split /\n/, `$program`)
{
	if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!$1, $2) }
	elsif ($line =~ /^# (.*)/) { diag($1) }
}
done_testing();
