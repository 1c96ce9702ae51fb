/* The bare consumer: flightrec's own probes with its own settings, and a C program that reads the ring and throws all away.
 * What it costs, flightrec can't do without; what flightrec costs more is its own.
 *
 * Usage: drain OBJECT RODATA DATA [NAME=VALUE...] PROGRAM... Commands on stdin: a (attach), d (detach), s (say how much was read). Each is answered
 * by a line. RODATA and DATA: files with the bytes of the recorder's variables (-: the object's own); NAME: a variable with 64 bits; PROGRAM: names, 15 characters count.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME 15			/* what the kernel keeps of a program's name */
#define TICK 100		/* ms between looks, as the recorder's */

static unsigned long long records, bytes;

static void fail(const char *what)
{
	fprintf(stderr, "drain: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int take(void *context, void *data, size_t size)
{
	(void)context, (void)data;
	records++;
	bytes += size;
	return 0;
}

/* Gives the object's variables the recorder's values. */
static void copy(struct bpf_object *object, const char *section, const char *path)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, section);
	size_t size = 0;
	if (!strcmp(path, "-"))
		return;
	void *place = map ? (void *)bpf_map__initial_value(map, &size) : NULL;
	FILE *file = fopen(path, "rb");

	if (!place || !file || fread(place, 1, size, file) != size || fgetc(file) != EOF)
		fail("the recorder's variables don't fit this object: build both from the same source");
	fclose(file);
}

/* Another value for one variable, whichever section it is in. */
static void set(struct bpf_object *object, const char *name, size_t length, unsigned long long value)
{
	static const char *const sections[] = { ".data", ".bss" };
	struct btf *btf = bpf_object__btf(object);

	for (int s = 0; s < 2; s++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, sections[s]);
		size_t size = 0;
		char *place = map ? (char *)bpf_map__initial_value(map, &size) : NULL;
		const struct btf_type *section = btf__type_by_id(btf, btf__find_by_name_kind(btf, sections[s], BTF_KIND_DATASEC));
		for (int i = 0; place && section && i < btf_vlen(section); i++) {
			struct btf_var_secinfo *one = btf_var_secinfos(section) + i;
			const char *found = btf__name_by_offset(btf, btf__type_by_id(btf, one->type)->name_off);
			if (strlen(found) == length && !strncmp(found, name, length) && one->size == sizeof value && one->offset + one->size <= size) {
				memcpy(place + one->offset, &value, sizeof value);
				return;
			}
		}
	}
	errno = ENOENT;
	fail(name);
}

static int wanted(const char *name, char **names)
{
	for (; *names; names++)
		if (!strncmp(name, *names, NAME))
			return 1;
	return 0;
}

/* Learns listeners and connections that exist, as the recorder does at its start. */
static void walk(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	struct bpf_link *link = program ? bpf_program__attach_iter(program, NULL) : NULL;
	char buffer[65536];

	if (!link)
		fail(name);
	int fd = bpf_iter_create(bpf_link__fd(link));
	while (fd >= 0 && read(fd, buffer, sizeof buffer) > 0)
		;
	if (fd < 0)
		fail("opening an iterator");
	close(fd);
	bpf_link__destroy(link);
}

int main(int argc, char **argv)
{
	struct bpf_link *links[128];
	struct bpf_program *program, *chosen[128];
	int programs = 0, attached = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: drain OBJECT RODATA DATA PROGRAM...\n");
		return 2;
	}
	struct bpf_object *object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		fail(argv[1]);
	copy(object, ".rodata", argv[2]);
	copy(object, ".data", argv[3]);
	for (char **one = argv + 4; *one; one++)
		if (strchr(*one, '='))
			set(object, *one, strchr(*one, '=') - *one, strtoull(strchr(*one, '=') + 1, NULL, 0));
	bpf_object__for_each_program(program, object) {
		int iterator = !strncmp(bpf_program__section_name(program), "iter", 4), on = wanted(bpf_program__name(program), argv + 4);
		bpf_program__set_autoload(program, on);
		if (on && !iterator && programs < 128)
			chosen[programs++] = program;
	}
	if (bpf_object__load(object))
		fail("loading");
	/* Programs that do nothing have none. */
	struct ring_buffer *ring = NULL;
	struct bpf_map *records_of = bpf_object__find_map_by_name(object, "ring");
	if (records_of && !(ring = ring_buffer__new(bpf_map__fd(records_of), take, NULL, NULL)))
		fail("mapping the ring");
	int walked = !ring;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready: %d programs\n", programs);
	for (;;) {
		struct pollfd polled[2] = { { 0, POLLIN, 0 }, { ring ? ring_buffer__epoll_fd(ring) : -1, POLLIN, 0 } };
		poll(polled, 2, TICK);
		if (ring && ring_buffer__consume(ring) < 0)
			fail("reading the ring");
		if (!polled[0].revents)
			continue;
		char command;
		if (read(0, &command, 1) != 1)
			return 0;
		switch (command) {
		case 'a':
			for (; attached < programs; attached++)
				if (!(links[attached] = bpf_program__attach(chosen[attached])))
					fail(bpf_program__name(chosen[attached]));
			if (!walked) {
				walk(object, "walk_listeners");
				walk(object, "walk_connections");
				walked = 1;
			}
			puts("attached");
			break;
		case 'd':
			while (attached)
				bpf_link__destroy(links[--attached]);
			puts("detached");
			break;
		case 's':
			printf("%llu records, %llu bytes\n", records, bytes);
			break;
		}
	}
}
