#pragma once
/* What Glibc's Swift module map leaves out. No logic here. */
#include <stdarg.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

int flightrec_unshare(int flags);
int flightrec_setns(int fd, int type);
/* accept4(2) with SOCK_CLOEXEC and SOCK_NONBLOCK. */
int flightrec_accept(int fd);
int flightrec_thread_name(const char *name);
/* open(2) with O_PATH and O_CLOEXEC. */
int flightrec_open_place(const char *path);
/* SIOCETHTOOL with ETHTOOL_GCOALESCE for the interface named: 0, or -1 with errno. */
int flightrec_coalesce(int fd, const char *name, struct ethtool_coalesce *into);
/* Variadic prctl(2) does not import. */
int flightrec_die_with_parent(void);
/* lseek(2) with SEEK_DATA and SEEK_HOLE. */
off_t flightrec_next_data(int fd, off_t from);
off_t flightrec_next_hole(int fd, off_t from);
/* sync_file_range(2) with SYNC_FILE_RANGE_WRITE for the whole file: starts writing it to the disk, and does not wait. */
int flightrec_start_writing(int fd);
/* The calling thread's scheduling, where its policy is `from`: policy `to`, with time slices of `slice` ns (Linux 6.12 and later; 0: the
 * usual), what it starts from now on with the usual ones (sched_setattr(2)). 1: done; 0: it has another policy; -1 with errno. */
int flightrec_change_policy(int from, int to, uint64_t slice);
/* The calling thread's time slice, ns, as sched_getattr(2) tells; 0: this kernel does not. */
uint64_t flightrec_slice(void);
/* vasprintf(3): text of any length, to be freed; NULL without memory. */
char *flightrec_format(const char *format, va_list arguments);
