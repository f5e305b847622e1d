/*-------------------------------------------------------------------------
 *
 * file.h
 *	  The shared tables of capture in a file, from a clean shutdown to the
 *	  next start.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_FILE_H
#define GUARD_CAPTURE_FILE_H

typedef struct GuardCaptureFile GuardCaptureFile;

/*
 * For the tables that save and restore themselves: so many bytes, in this
 * order.  Both return false when that fails, and do nothing any more then.
 */
extern bool guard_file_put(GuardCaptureFile *file, const void *data, size_t len);
extern bool guard_file_get(GuardCaptureFile *file, void *data, size_t len);

/*
 * Called by the postmaster when the tables have been made, empty: fill them
 * with what the last clean shutdown left, and see that the next one does so.
 */
extern void guard_file_startup(void);

#endif							/* GUARD_CAPTURE_FILE_H */
