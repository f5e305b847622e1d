# ChainModel: what must be true of the answers, known without asking guard.  Pure: it is told what the catalogs say and what
# traffic did, and says what is wrong.
#
# The traffic needs one thing, a row by column a.  An index serves it when it is valid, visible to the planner and begins with a.
# An index is a hash: oid, name, parent (the table's OID), key and more (column numbers, "2 3"), valid, hidden, young (not usable
# by every snapshot yet).
#
# What can be said for certain:
#
#	needed	the last index that serves the traffic is not let go, and not called cold; nor is it let go together with others
#	unused	an index that was not used and has nobody's use to speak for is not called hot
#	twin	an index goes where another serves all uses that it speaks for, each by the shape in which it came (after a loss: and
#			all that it could have been used for)
#	cold	an index that was made before guard's eyes, never used, and speaks for nobody goes, when nothing was lost

package ChainModel;

use strict;
use warnings FATAL => 'all';

our $COLUMN = 2;    # a

sub new
{
	my ($class) = @_;

	# traffic: has it had an index; lost: may guard have lost something by now
	return bless { traffic => 0, lost => 0, used => {}, made => {}, gone => [], now => [] }, $class;
}

# The catalogs as they are now.  What is gone stays in mind.  What bears the name of something gone was rebuilt.
sub take
{
	my ($self, $indexes, $bearer) = @_;
	my %here = map { $_->{oid} => $_ } @$indexes;

	foreach my $gone (grep { !$here{ $_->{oid} } } @{ $self->{now} })
	{
		push @{ $self->{gone} }, $gone if $self->{used}{ $gone->{oid} };
		next unless $self->{made}{ $gone->{oid} };
		$self->{made}{ $_->{oid} } = 1 foreach grep { $_->{name} eq $gone->{name} } @$indexes;
	}
	$self->{now} = $indexes;
	$self->{bearer} = $bearer;
}

# Traffic was planned to use the index of this name on the table that bears the name.
sub use
{
	my ($self, $name) = @_;
	my ($index) = grep { $_->{name} eq $name } $self->here;

	return unless $index;
	$self->{used}{ $index->{oid} } = 1;
	$self->{traffic} = 1 if begins_with_a($index);
}

# Made from nothing, with nothing in the way.
sub made
{
	my ($self, $name) = @_;

	$self->{made}{ $_->{oid} } = 1 foreach grep { $_->{name} eq $name } @{ $self->{now} };
}

sub here
{
	my ($self) = @_;

	return grep { $_->{parent} == $self->{bearer} } @{ $self->{now} };
}

sub begins_with_a
{
	my ($index) = @_;

	return $index->{key} =~ /^$COLUMN\b/;
}

sub serving
{
	my ($self) = @_;

	return grep { $_->{valid} && !$_->{hidden} && begins_with_a($_) } $self->here;
}

# The used indexes whose use speaks for this one: itself, and what is gone, not valid, hidden or on a table that has lost the name.
sub speaks_for
{
	my ($self, $index) = @_;
	my @past = grep { $self->{used}{ $_->{oid} } && (!$_->{valid} || $_->{hidden} || $_->{parent} != $self->{bearer}) } @{ $self->{now} };

	return (
		(grep { $self->{used}{ $_->{oid} } } $index),
		grep { $_->{oid} != $index->{oid} && begins_with_a($_) && begins_with_a($index) } @past, @{ $self->{gone} });
}

# Does another index have all columns of this shape, the key's in its order?
sub covers
{
	my ($other, $shape) = @_;
	my %has = map { $_ => 1 } split ' ', "$other->{key} $other->{more}";

	return index("$other->{key} ", "$shape->{key} ") == 0
	  && !grep { !$has{$_} } split ' ', $shape->{more};
}

sub replacement
{
	my ($self, $index, @uses) = @_;

	return grep {
		my $other = $_;

		$other->{oid} != $index->{oid} && !$other->{young} && $other->{name} !~ /^guard_drop_/ && !grep { !covers($other, $_) } @uses;
	} $self->serving;
}

# What is wrong with guard.check()'s answers, { oid => [verdict, reason] }, where nobody is in the middle of anything.
sub wrong_answers
{
	my ($self, $answers, $settled) = @_;
	my @serving = $self->serving;
	my @wrong;

	foreach my $index (grep { $_->{valid} } $self->here)
	{
		my $answer = $answers->{ $index->{oid} } or next;
		my ($verdict, $reason) = @$answer;
		my @uses = $self->speaks_for($index);
		my $what = "$index->{name} is $verdict $reason";

		push @wrong, "needed: $what, and is the last that serves the traffic"
		  if $self->{traffic} && @serving == 1 && $serving[0]{oid} == $index->{oid} && ($verdict eq 'allow' || $reason eq 'cold');
		push @wrong, "unused: $what, and nobody used it" if $reason eq 'hot' && !@uses;
		next unless $settled && !$index->{hidden};
		my @others = $self->replacement($index, @uses, $self->{lost} || !@uses ? $index : ());
		push @wrong, "twin: $what, and there is " . join(', ', map { $_->{name} } @others) if $verdict ne 'allow' && @others;
		push @wrong, "cold: $what, and nothing was lost of an index that was not used"
		  if $verdict ne 'allow' && !@uses && !$self->{lost} && $self->{made}{ $index->{oid} };
	}
	return @wrong;
}

# What is wrong with the world after an event: the traffic had an index, and has none.
sub wrong_world
{
	my ($self, $served_before, $meant) = @_;

	return () unless $self->{traffic} && $served_before && !$self->serving && !$meant;
	return ('needed: no index serves the traffic any more');
}

1;
