#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int flightrec_unshare(int flags) { return unshare(flags); }
int flightrec_setns(int fd, int type) { return setns(fd, type); }
int flightrec_accept(int fd) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }
int flightrec_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }
int flightrec_coalesce(int fd, const char *name, struct ethtool_coalesce *into)
{
	struct ifreq request = {};
	*into = (struct ethtool_coalesce){.cmd = ETHTOOL_GCOALESCE};
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	request.ifr_data = (void *)into;
	return ioctl(fd, SIOCETHTOOL, &request);
}
int flightrec_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }
off_t flightrec_next_data(int fd, off_t from) { return lseek(fd, from, SEEK_DATA); }
off_t flightrec_next_hole(int fd, off_t from) { return lseek(fd, from, SEEK_HOLE); }
char *flightrec_format(const char *format, va_list arguments)
{
	char *text = NULL;
	return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}
int flightrec_start_writing(int fd) { return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }

/* struct sched_attr (include/uapi/linux/sched/types.h) as first published: the C library and that header have it both, or neither. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int get_attributes(struct attributes *attributes)
{
	memset(attributes, 0, sizeof(*attributes));
	return syscall(SYS_sched_getattr, 0, attributes, sizeof(*attributes), 0);
}

int flightrec_change_policy(int from, int to, uint64_t slice)
{
	struct attributes attributes;
	if (get_attributes(&attributes))
		return -1;
	if (attributes.policy != from)
		return 0;
	attributes.size = sizeof(attributes);
	attributes.policy = to;
	attributes.flags |= 1; /* SCHED_FLAG_RESET_ON_FORK */
	attributes.runtime = slice;
	return syscall(SYS_sched_setattr, 0, &attributes, 0) ? -1 : 1;
}

uint64_t flightrec_slice(void)
{
	struct attributes attributes;
	return get_attributes(&attributes) ? 0 : attributes.runtime;
}

int flightrec_open_place(const char *path) { return open(path, O_PATH | O_CLOEXEC); }
