/* Whose packet, from its headers: where no socket is near. */
#ifndef FLIGHTREC_PACKET_H
#define FLIGHTREC_PACKET_H

struct fr_packet {
	u16 family;
	u16 source_port;
	u16 destination_port;
	u8 source[16];
	u8 destination[16];
};

/* Fills the addresses; false when it is not TCP over IP. */
static __always_inline bool fr_packet(struct fr_packet *p, const struct sk_buff *skb)
{
	unsigned char *head = skb->head;
	unsigned char *ip = head + skb->network_header;
	u8 first = 0;
	if (bpf_probe_read_kernel(&first, 1, ip))
		return false;
	u32 length;
	u8 protocol = 0;
	if (first >> 4 == 4) {
		length = (first & 15) * 4;
		p->family = AF_INET;
		bpf_probe_read_kernel(&protocol, 1, ip + 9);
		bpf_probe_read_kernel(p->source, 4, ip + 12);
		bpf_probe_read_kernel(p->destination, 4, ip + 16);
	} else if (first >> 4 == 6) {
		length = 40; /* extension headers are rare on TCP; such a packet shows without ports' meaning */
		p->family = AF_INET6;
		bpf_probe_read_kernel(&protocol, 1, ip + 6);
		bpf_probe_read_kernel(p->source, 16, ip + 8);
		bpf_probe_read_kernel(p->destination, 16, ip + 24);
	} else
		return false;
	if (protocol != IPPROTO_TCP)
		return false;
	u16 ports[2] = {};
	bpf_probe_read_kernel(ports, 4, ip + length);
	p->source_port = bpf_ntohs(ports[0]);
	p->destination_port = bpf_ntohs(ports[1]);
	return true;
}

#endif
