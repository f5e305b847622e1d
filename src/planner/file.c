/*-------------------------------------------------------------------------
 *
 * file.c
 *	  Shared tables in a file, from a clean shutdown to the next start.
 *
 * A restart for a new setting or a minor version should not make every index
 * unknown.  So the last process to end writes the tables down, when all others
 * have told what they had, as PostgreSQL does with its own counters and
 * pg_stat_statements with its; and the first process reads them back.
 *
 * What is read back is taken for the whole truth about the time before, so it
 * must be: nothing may have happened between that shutdown and this start.
 * The file therefore names the state of pg_control after the shutdown.  When
 * the server ran in between without guard, or was restored from a backup, or
 * is another one, or has crashed, that differs, and the file is worth nothing.
 * It is removed as soon as it is read.  Nor is a file of another build read:
 * it holds the records as they are in memory.
 *
 * None of this can stop the server from starting or ending: what fails is said
 * in the server log, and capture begins anew.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "planner/planner.h"

#define FILE_NAME	PGSTAT_STAT_PERMANENT_DIRECTORY "/guard.stat"

/* "Guar", and what changes when the meaning of a record does. */
#define FILE_MAGIC		0x47756172
#define FILE_VERSION	4

/* The state of the server in which the file was written. */
typedef struct ServerState
{
	uint64		system;
	uint64		checkpoint;
	int64		time;
	int32		state;
	int32		server_version;
} ServerState;

typedef struct FileHeader
{
	uint32		magic;
	uint32		version;
	uint32		record_sizes;
	uint32		unused;
	ServerState server;
} FileHeader;

struct GuardFile
{
	FILE	   *stream;
	pg_crc32c	crc;
	bool		failed;
};

typedef struct Saver
{
	guard_file_work save;
	guard_file_work restore;
} Saver;

#define MAX_SAVERS	4

static Saver savers[MAX_SAVERS];
static int	nsavers = 0;
static Size record_sizes = 0;

/* A table is to outlive a restart. */
void
guard_file_register(Size records, guard_file_work save, guard_file_work restore)
{
	Assert(nsavers < MAX_SAVERS);
	savers[nsavers++] = (Saver)
	{
		save, restore
	};
	record_sizes += records;
}

/* Write so many bytes. */
bool
guard_file_put(GuardFile *file, const void *data, size_t len)
{
	if (!file->failed && fwrite(data, 1, len, file->stream) != len)
		file->failed = true;
	COMP_CRC32C(file->crc, data, len);
	return !file->failed;
}

/* Read so many bytes. */
bool
guard_file_get(GuardFile *file, void *data, size_t len)
{
	if (!file->failed && fread(data, 1, len, file->stream) != len)
		file->failed = true;
	if (!file->failed)
		COMP_CRC32C(file->crc, data, len);
	return !file->failed;
}

static void
complain(const char *what)
{
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", what, FILE_NAME)));
}

/*
 * What pg_control says now.  False: the server is not shut down cleanly.
 */
static bool
read_server_state(ServerState *server)
{
	bool		valid;
	ControlFileData *control = get_controlfile(DataDir, &valid);

	memset(server, 0, sizeof(*server));
	server->system = control->system_identifier;
	server->checkpoint = control->checkPoint;
	server->time = control->time;
	server->state = control->state;
	server->server_version = PG_VERSION_NUM;
	pfree(control);
	return valid && (server->state == DB_SHUTDOWNED ||
					 server->state == DB_SHUTDOWNED_IN_RECOVERY);
}

static void
fill_header(FileHeader *header, const ServerState *server)
{
	memset(header, 0, sizeof(*header));
	header->magic = FILE_MAGIC;
	header->version = FILE_VERSION;
	header->record_sizes = (uint32) record_sizes;
	header->server = *server;
}

/* ----------------------------------------------------------------
 *		Saving
 * ----------------------------------------------------------------
 */

static bool
write_file(FILE *stream, const ServerState *server)
{
	GuardFile	file = {.stream = stream};
	FileHeader	header;
	pg_crc32c	crc;

	INIT_CRC32C(file.crc);
	fill_header(&header, server);
	guard_file_put(&file, &header, sizeof(header));
	for (int i = 0; i < nsavers; i++)
		savers[i].save(&file);
	crc = file.crc;
	FIN_CRC32C(crc);
	return guard_file_put(&file, &crc, sizeof(crc));
}

/*
 * The postmaster ends, as the last one.
 */
static void
save(int code, Datum arg)
{
	ServerState server;
	FILE	   *stream;
	bool		ok;

	if (code != 0 || !read_server_state(&server))
		return;
	stream = AllocateFile(FILE_NAME ".tmp", PG_BINARY_W);
	if (stream == NULL)
	{
		complain("write");
		return;
	}
	ok = write_file(stream, &server);
	if (FreeFile(stream) != 0 || !ok)
	{
		complain("write");
		unlink(FILE_NAME ".tmp");
		return;
	}
	(void) durable_rename(FILE_NAME ".tmp", FILE_NAME, LOG);
}

/* ----------------------------------------------------------------
 *		Restoring
 * ----------------------------------------------------------------
 */

/*
 * Is it whole?  Read once for that, because nothing can be taken back.
 */
static bool
is_whole(FILE *stream)
{
	pg_crc32c	crc;
	pg_crc32c	stored;
	char		buffer[8192];
	off_t		left;

	if (fseeko(stream, 0, SEEK_END) != 0)
		return false;
	left = ftello(stream) - (off_t) sizeof(stored);
	if (left < (off_t) sizeof(FileHeader) || fseeko(stream, 0, SEEK_SET) != 0)
		return false;
	INIT_CRC32C(crc);
	while (left > 0)
	{
		size_t		len = (size_t) Min(left, (off_t) sizeof(buffer));

		if (fread(buffer, 1, len, stream) != len)
			return false;
		COMP_CRC32C(crc, buffer, len);
		left -= (off_t) len;
	}
	FIN_CRC32C(crc);
	return fread(&stored, 1, sizeof(stored), stream) == sizeof(stored) &&
		EQ_CRC32C(crc, stored) && fseeko(stream, 0, SEEK_SET) == 0;
}

static void
read_file(FILE *stream)
{
	GuardFile	file = {.stream = stream};
	FileHeader	header;
	FileHeader	expected;
	ServerState server;

	if (!is_whole(stream))
	{
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("ignoring damaged file \"%s\"", FILE_NAME)));
		return;
	}
	INIT_CRC32C(file.crc);
	if (!read_server_state(&server) ||
		!guard_file_get(&file, &header, sizeof(header)))
		return;
	fill_header(&expected, &server);
	if (memcmp(&header, &expected, sizeof(header)) != 0)
	{
		ereport(LOG,
				(errmsg("ignoring file \"%s\": it is not of the last shutdown of this server and this version of guard",
						FILE_NAME)));
		return;
	}
	for (int i = 0; i < nsavers; i++)
		savers[i].restore(&file);
}

/* The tables have been made. */
void
guard_file_startup(void)
{
	FILE	   *stream;

	if (IsUnderPostmaster || !IsPostmasterEnvironment)
		return;
	stream = AllocateFile(FILE_NAME, PG_BINARY_R);
	if (stream != NULL)
	{
		read_file(stream);
		FreeFile(stream);
		if (unlink(FILE_NAME) != 0)
			complain("remove");
	}
	else if (errno != ENOENT)
		complain("read");
	on_shmem_exit(save, (Datum) 0);
}
