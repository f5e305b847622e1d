/*-------------------------------------------------------------------------
 *
 * positions.h
 *	  Where the values of statements' parameters lie.
 *
 * Vocabulary:
 *
 *	parameter	what stands as $n in pg_stat_statements: a constant, or a
 *				parameter of the statement's own
 *	position	where its value is among those of the column that it is
 *				compared with: the k-th most common one, a tenth of the
 *				histogram, or neither
 *	mark		a figure that a position does not tell: how long before now, how
 *				far from the other end of a range, how many elements, ...
 *
 * No value is kept, nor anything that leads back to one: a position is reckoned
 * where the value is seen, and of distinct ones there are 64 registers of a
 * HyperLogLog.  Lost like all of what-if: least recent first.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_POSITIONS_H
#define GUARD_POSITIONS_H

#include "access/attnum.h"
#include "executor/execdesc.h"

#include "planner/planner.h"

#define GUARD_POSITION_COMMON		100
#define GUARD_POSITION_DECILES		10
#define GUARD_POSITION_MARKS		24
#define GUARD_POSITION_REGISTERS	64	/* two to the sixth */
#define GUARD_POSITION_MATCHES		208 /* the common ones, then the bounds of
										 * the histogram */

/* What a parameter is. */
typedef struct GuardParameter
{
	int16		number;			/* as pg_stat_statements has it; 0: the
								 * statement itself */
	int16		id;				/* as the statement has it; 0: a constant */
	AttrNumber	column;			/* that it is compared with; 0: none */
	bool		inherited;		/* with the table's children */
	char		role;			/* 'c'ompared, 'l'imit, 'o'ffset, or 0 */
	Oid			relation;
	Oid			operator;
	Oid			type;
} GuardParameter;

/* And what is known of its values. */
typedef struct GuardPosition
{
	GuardSlot	head;			/* object: half of the queryid */
	GuardParameter about;
	uint16		samples;
	uint16		nulls;
	uint16		none;			/* neither common nor within the histogram; of
								 * the statement: it found no row */
	uint16		common[GUARD_POSITION_COMMON];
	uint16		deciles[GUARD_POSITION_DECILES];
	char		measure;		/* of the marks: 'a'ge, 'w'idth, 'l'ist,
								 * 'p'refix, 'v'alue; 0: there are none */
	uint16		marked;
	float4		marks[GUARD_POSITION_MARKS];	/* some of all, by chance; of
												 * the statement: parameters
												 * that were NULL together, as
												 * bits, "common" being how
												 * often */
	uint8		registers[GUARD_POSITION_REGISTERS];
	uint8		matches[GUARD_POSITION_MATCHES / BITS_PER_BYTE];	/* of the column's
																	 * statistics, by the
																	 * latest pattern */
} GuardPosition;

struct GuardSample;

/* Called at start, and to forget a database. */
extern void guard_positions_init(void);
extern void guard_positions_forget(Oid database);

/* A statement is sampled: find its parameters, and where its constants lie. */
extern void guard_positions_plan(struct GuardSample *sample);

/*
 * It comes to its end: write that down, with where its parameters lie; of one
 * that was not planned just now by lot.  Raises nothing but a cancel request.
 */
extern void guard_positions_executed(QueryDesc *queryDesc, int64 queryid);

/*
 * All that is known in this database, one at a time; waits for a moment.  About
 * how many values were distinct.
 */
typedef void (*guard_positions_put) (GuardPosition *position, void *arg);
extern void guard_positions_each(guard_positions_put put, void *arg);
extern double guard_positions_distinct(GuardPosition *position);

#endif							/* GUARD_POSITIONS_H */
