/* Preloaded into the recorder: counts the system calls that publishing a capture takes, and makes one of them go wrong.
 *
 * FAULT_DIR   the capture directory; only calls on captures in it, and on itself, count
 * FAULT_AT    number of the call, from 1; 0: none
 * FAULT       kill (before it), half (a write of half, then killed), or an errno's number
 * FAULT_LOG   a line for every call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define DESCRIPTORS 1024
static atomic_int calls;
static atomic_bool ours[DESCRIPTORS];

static bool concerns(const char *path)
{
	const char *directory = getenv("FAULT_DIR");
	size_t length = directory ? strlen(directory) : 0;
	if (!length || strncmp(path, directory, length))
		return false;
	const char *name = path + length;
	return !*name || strstr(name, ".flightrec.tmp") || (strlen(name) > 10 && !strcmp(name + strlen(name) - 10, ".flightrec"));
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* 0, or the errno to fail with. Half: the caller writes half first. */
static int step(const char *what, bool *half)
{
	int number = atomic_fetch_add(&calls, 1) + 1;
	const char *log = getenv("FAULT_LOG"), *at = getenv("FAULT_AT"), *fault = getenv("FAULT");
	if (log) {
		int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
		int file = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		dprintf(file, "%d %s\n", number, what);
		close(file);
	}
	if (!at || !fault || number != atoi(at))
		return 0;
	if (!strcmp(fault, "kill"))
		die();
	if (!strcmp(fault, "half")) {
		if (!half)
			die();
		*half = true;
		return 0;
	}
	return atoi(fault);
}

static bool is_ours(int file) { return file >= 0 && file < DESCRIPTORS && ours[file]; }

#define FAIL(what, half)                        \
	do {                                    \
		int code = step(what, half);    \
		if (code) {                     \
			errno = code;           \
			return -1;              \
		}                               \
	} while (0)

static int opens(const char *symbol, const char *path, int flags, mode_t mode)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, symbol);
	bool mine = concerns(path);
	if (mine)
		FAIL("open", 0);
	int file = real(path, flags, mode);
	if (file >= 0 && file < DESCRIPTORS)
		ours[file] = mine;
	return file;
}

#define OPEN(name)                                      \
	int name(const char *path, int flags, ...)      \
	{                                               \
		va_list list;                           \
		va_start(list, flags);                  \
		mode_t mode = va_arg(list, mode_t);     \
		va_end(list);                           \
		return opens(#name, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)

#define PWRITE(name)                                                                    \
	ssize_t name(int file, const void *data, size_t size, off_t at)                 \
	{                                                                               \
		ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, #name); \
		bool half = false;                                                      \
		if (is_ours(file))                                                      \
			FAIL("write", &half);                                           \
		if (!half)                                                              \
			return real(file, data, size, at);                              \
		real(file, data, size / 2, at);                                         \
		die();                                                                  \
		return -1;                                                              \
	}
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int file, const void *data, size_t size)
{
	ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
	bool half = false;
	if (is_ours(file))
		FAIL("write", &half);
	if (!half)
		return real(file, data, size);
	real(file, data, size / 2);
	die();
	return -1;
}

#define SYNC(name)                                       \
	int name(int file)                               \
	{                                                \
		int (*real)(int) = dlsym(RTLD_NEXT, #name); \
		if (is_ours(file))                       \
			FAIL(#name, 0);                  \
		return real(file);                       \
	}
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name)                                          \
	int name(int file, off_t size)                          \
	{                                                       \
		int (*real)(int, off_t) = dlsym(RTLD_NEXT, #name); \
		if (is_ours(file))                              \
			FAIL("ftruncate", 0);                   \
		return real(file, size);                        \
	}
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
	if (concerns(to))
		FAIL("rename", 0);
	return real(from, to);
}

int unlink(const char *path)
{
	int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
	if (concerns(path))
		FAIL("unlink", 0);
	return real(path);
}

int close(int file)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "close");
	if (file >= 0 && file < DESCRIPTORS)
		ours[file] = false;
	return real(file);
}
