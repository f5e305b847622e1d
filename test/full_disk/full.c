/*-------------------------------------------------------------------------
 *
 * full.c
 *	  For a test, by LD_PRELOAD: the disk of a server's data is full.
 *
 * While the file named by GUARD_FULL_DISK is there, no file below "base" can
 * grow; what is there already can be written, and WAL too, as where they are
 * on disks of their own.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Would writing up to this offset make the file grow, on a full disk? */
static int
is_full(int fd, off64_t end)
{
	const char *flag = getenv("GUARD_FULL_DISK");
	char		link[64];
	char		path[4096];
	ssize_t		len;
	struct stat64 st;

	if (flag == NULL || access(flag, F_OK) != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return 0;
	path[len] = '\0';
	return strstr(path, "/base/") != NULL && fstat64(fd, &st) == 0 && end > st.st_size;
}

ssize_t
pwrite64(int fd, const void *buf, size_t n, off64_t offset)
{
	ssize_t(*real) (int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");

	if (is_full(fd, offset + n))
	{
		errno = ENOSPC;
		return -1;
	}
	return real(fd, buf, n, offset);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
{
	ssize_t(*real) (int, const struct iovec *, int, off64_t) = dlsym(RTLD_NEXT, "pwritev64");
	off64_t		end = offset;

	for (int i = 0; i < count; i++)
		end += iov[i].iov_len;
	if (is_full(fd, end))
	{
		errno = ENOSPC;
		return -1;
	}
	return real(fd, iov, count, offset);
}

int
posix_fallocate64(int fd, off64_t offset, off64_t n)
{
	int			(*real) (int, off64_t, off64_t) = dlsym(RTLD_NEXT, "posix_fallocate64");

	return is_full(fd, offset + n) ? ENOSPC : real(fd, offset, n);
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	return pwrite64(fd, buf, n, offset);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return pwritev64(fd, iov, count, offset);
}

int
posix_fallocate(int fd, off_t offset, off_t n)
{
	return posix_fallocate64(fd, offset, n);
}
