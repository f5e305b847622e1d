/*-------------------------------------------------------------------------
 *
 * file.h
 *	  Shared tables in a file, from a clean shutdown to the next start.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_FILE_H
#define GUARD_FILE_H

typedef struct GuardFile GuardFile;

/*
 * Called at start, by the tables that are to outlive a restart: "save" writes
 * one, "restore" fills it, empty, in the same order.  "records" is the size of
 * what they write, which changes when its form does.
 */
typedef void (*guard_file_work) (GuardFile *file);
extern void guard_file_register(Size records, guard_file_work save,
								guard_file_work restore);

/*
 * So many bytes.  Both return false when that fails, and do nothing any more
 * then.
 */
extern bool guard_file_put(GuardFile *file, const void *data, size_t len);
extern bool guard_file_get(GuardFile *file, void *data, size_t len);

/*
 * Called when the tables have been made: in the postmaster, fill them with what
 * the last clean shutdown left, and see that the next one does so.
 */
extern void guard_file_startup(void);

#endif							/* GUARD_FILE_H */
