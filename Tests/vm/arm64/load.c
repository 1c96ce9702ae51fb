/* Gives the BPF programs to the running kernel without the rest of flightrec, which is not built for this machine.
 *
 * load OBJECT                   each program alone, as the ladder's trials do: "verified NAME", "absent NAME" (the kernel has
 *                               no such tracepoint or function, or one with fewer arguments) or "refused NAME" with the verifier's reason
 * load OBJECT SECONDS NAME...   these together, attached; after SECONDS how many records of each kind the ring held
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char said[1 << 18];
static size_t saying;
static unsigned long kinds[16];

static int note(enum libbpf_print_level level, const char *format, va_list arguments)
{
	int length = level == LIBBPF_DEBUG ? 0 : vsnprintf(said + saying, sizeof(said) - saying, format, arguments);
	if (length > 0 && saying + length < sizeof(said))
		saying += length;
	return 0;
}

/* Sets a constant of the programs, one byte wide. */
static void set(struct bpf_object *object, const char *name, char value)
{
	struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = btf__type_by_id(btf, id);
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	size_t size;
	char *data = (char *)bpf_map__initial_value(map, &size);
	for (int i = 0; section && data && i < btf_vlen(section); i++) {
		struct btf_var_secinfo *variable = btf_var_secinfos(section) + i;
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, variable->type)->name_off), name)) {
			data[variable->offset] = value;
			return;
		}
	}
	fprintf(stderr, "no constant %s\n", name);
	exit(2);
}

static int has(char **names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return 1;
	return 0;
}

static struct bpf_object *open_only(const char *path, char **names, int count)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_program *program;
	char by_address = 0;
	if (!object) {
		fprintf(stderr, "%s does not open: %s\n", path, said);
		exit(2);
	}
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, has(names, count, bpf_program__name(program)));
	for (int i = 0; i < count; i++) /* kprobes may not use socket storage, and the state is one */
		by_address |= strstr(names[i], "kprobe") || strstr(names[i], "kretprobe") || strstr(names[i], "addresses");
	set(object, "fr_watch_host", 1);
	set(object, "fr_follow_threads", 1);
	set(object, "fr_by_address", by_address);
	if (by_address)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "sockets_by_address"), 4096);
	return object;
}

static int each(const char *path)
{
	struct bpf_object *all = bpf_object__open(path);
	struct bpf_program *program;
	int refused = 0;
	if (!all)
		return 2;
	bpf_object__for_each_program(program, all) {
		char *name = (char *)bpf_program__name(program);
		struct bpf_object *object = open_only(path, &name, 1);
		saying = 0;
		said[0] = 0;
		int result = bpf_object__load(object);
		if (!result)
			printf("verified %s\n", name);
		else if (result == -ESRCH || strstr(said, "is not found in vmlinux BTF") || strstr(said, "failed to find kernel BTF type") ||
			 strstr(said, "-th argument")) /* a tracepoint with fewer arguments than asked for */
			printf("absent %s\n", name);
		else {
			refused++;
			printf("refused %s: %s\n%s\n", name, strerror(-result), said);
		}
		bpf_object__close(object);
	}
	bpf_object__close(all);
	return refused ? 1 : 0;
}

static int record(void *context, void *data, size_t size)
{
	unsigned short kind;
	(void)context;
	if (size < 24)
		return 0;
	memcpy(&kind, (char *)data + 20, sizeof(kind)); /* fr_header.kind */
	kinds[kind & 15]++;
	return 0;
}

static int together(const char *path, int seconds, char **names, int count)
{
	struct bpf_object *object = open_only(path, names, count);
	struct bpf_program *program;
	if (bpf_object__load(object)) {
		printf("refused: %s\n", said);
		return 1;
	}
	bpf_object__for_each_program(program, object)
		if (has(names, count, bpf_program__name(program)) && !bpf_program__attach(program)) {
			printf("not attached %s: %s\n%s\n", bpf_program__name(program), strerror(errno), said);
			return 1;
		}
	struct ring_buffer *ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), record, 0, 0);
	if (!ring)
		return 2;
	printf("attached %d\n", count);
	fflush(stdout);
	for (time_t end = time(0) + seconds; time(0) < end;) {
		struct timespec tick = { 0, 50000000 };
		nanosleep(&tick, 0);
		ring_buffer__consume(ring);
	}
	static const char *const called[16] = { "none", "sockets", "turns", "open", "retransmits", "states", "resets", "drops",
						"softirqs", "slices", "queued", "stacks" };
	printf("records");
	for (int kind = 1; kind < 12; kind++)
		printf(" %s=%lu", called[kind], kinds[kind]);
	printf("\n");
	return 0;
}

int main(int count, char **arguments)
{
	libbpf_set_print(note);
	if (count == 2)
		return each(arguments[1]);
	if (count > 3)
		return together(arguments[1], atoi(arguments[2]), arguments + 3, count - 3);
	fprintf(stderr, "usage: load OBJECT [SECONDS NAME...]\n");
	return 2;
}
