// SPDX-License-Identifier: MIT
/*
 * ipc-gateway: the command line.
 */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../libipc/base/descriptor.h"
#include "gateway.h"
#include "peer-policy.h"

/* By default, gRPC servers allow a client one ping in five minutes. This is longer, because a delay
 * of one ping shortens the interval to the next ping. */
#define KEEPALIVE_SECONDS 310

static const char help[] =
	"usage: ipc-gateway --export NAME... --listen ADDRESS... [OPTION...]\n"
	"       ipc-gateway --import NAME=TARGET/SERVICE... --descriptor-set FILE [OPTION...]\n"
	"       ipc-gateway --share NAME... --listen ADDRESS... [OPTION...]\n"
	"       ipc-gateway --link NAME[=REMOTE]@TARGET... [OPTION...]\n"
	"\n"
	"Lets gRPC clients call services of an ipcbus, programs on it call gRPC services, and two\n"
	"buses share services, each through its gateway.\n"
	"\n"
	"  -e, --export NAME       the service that is registered as NAME\n"
	"  -l, --listen ADDRESS    unix:PATH, tls:HOST:PORT, HOST:PORT of this machine alone, or\n"
	"                          vsock:CID:PORT\n"
	"      --tls-cert FILE     the certificate of tls: addresses, in PEM\n"
	"      --tls-key FILE      its key\n"
	"      --tls-client-ca FILE  authorities that sign certificates of clients\n"
	"  -i, --import NAME=TARGET/SERVICE  the gRPC service at TARGET, as NAME\n"
	"      --descriptor-set FILE  output of protoc --include_imports --descriptor_set_out\n"
	"  -s, --share NAME        let linked gateways use the service that is registered as NAME\n"
	"  -k, --link NAME[=REMOTE]@TARGET  register NAME for TARGET's name REMOTE or NAME\n"
	"      --tls-server-ca FILE  authorities that sign certificates of tls: targets\n"
	"      --policy PATH       rights of clients: a file, or a folder with *.conf files\n"
	"      --check-policy [CERTIFICATE RIGHT NAME]  check it, or print a decision, and exit\n"
	"      --insecure          accept addresses where any process may call\n"
	"      --metrics PATH      a Unix socket that has metrics, as OpenMetrics text\n"
	"  -b, --bus PATH          the bus (default: $IPCBUS_BUS, else /dev/ipcbus or ipcbusd's)\n"
	"      --max-message SIZE  bytes of a message (default: 4M)\n"
	"      --max-calls N       calls that are open at a time (default: 1000)\n"
	"      --max-connections N  connections of clients (default: 10000, or half of the files that\n"
	"                          the gateway may have)\n"
	"      --peer-calls N      calls of one peer that are open at a time (default: --max-calls)\n"
	"      --user-calls N      calls to other machines of one user of the bus (default: half of\n"
	"                          --max-calls)\n"
	"      --max-streams N     calls of one connection at a time (default: 100)\n"
	"      --memory SIZE       bytes for data that gRPC receives and sends (default: 256M)\n"
	"      --keepalive SECONDS  when to ping a server of an imported service that says\n"
	"                          nothing to an open call (default: 310)\n"
	"      --drain SECONDS     how long open calls may go on after SIGTERM (default: 10)\n"
	"  -h, --help              print this text\n"
	"      --version           print the version\n";

struct flags {
	int insecure;
	int check_policy;
};

/* The parsed command line. */
struct command_line {
	struct gateway_options options;
	struct flags flags;
};

enum kind { FLAG, TEXT, LIST, SIZE, COUNT, HELP, VERSION };

#define AT(member) offsetof(struct command_line, member)

static const struct setting {
	const char *name;
	int letter; /* 0: none */
	enum kind kind;
	size_t at; /* offset of an int, const char *, struct gateway_list, size_t or unsigned int */
	size_t max; /* of SIZE and COUNT */
} settings[] = {
	{ "export", 'e', LIST, AT(options.exports), 0 },
	{ "listen", 'l', LIST, AT(options.listen), 0 },
	{ "insecure", 0, FLAG, AT(flags.insecure), 0 },
	{ "tls-cert", 0, TEXT, AT(options.certificate), 0 },
	{ "tls-key", 0, TEXT, AT(options.key), 0 },
	{ "tls-client-ca", 0, TEXT, AT(options.client_ca), 0 },
	{ "tls-server-ca", 0, TEXT, AT(options.server_ca), 0 },
	{ "import", 'i', LIST, AT(options.imports), 0 },
	{ "descriptor-set", 0, TEXT, AT(options.descriptor_set), 0 },
	{ "share", 's', LIST, AT(options.shared), 0 },
	{ "link", 'k', LIST, AT(options.links), 0 },
	{ "policy", 0, TEXT, AT(options.policy), 0 },
	{ "check-policy", 0, FLAG, AT(flags.check_policy), 0 },
	{ "metrics", 0, TEXT, AT(options.metrics), 0 },
	{ "bus", 'b', TEXT, AT(options.bus), 0 },
	{ "max-message", 0, SIZE, AT(options.limits.message_size), 256 << 20 },
	{ "max-calls", 0, COUNT, AT(options.max_calls), 1000000 },
	{ "max-connections", 0, COUNT, AT(options.max_connections), 1000000 },
	{ "peer-calls", 0, COUNT, AT(options.peer_calls), 1000000 },
	{ "user-calls", 0, COUNT, AT(options.user_calls), 1000000 },
	{ "max-streams", 0, COUNT, AT(options.limits.streams), 1000000 },
	{ "memory", 0, SIZE, AT(options.limits.memory), (size_t)1 << 40 },
	{ "keepalive", 0, COUNT, AT(options.keepalive_seconds), 86400 },
	{ "drain", 0, COUNT, AT(options.drain_seconds), 86400 },
	{ "help", 'h', HELP, 0, 0 },
	{ "version", 0, VERSION, 0, 0 },
};
#define N_SETTINGS (sizeof(settings) / sizeof(*settings))

/* Keys of options without a letter. */
#define FIRST_KEY 0x100

static int usage(const char *what, const char *argument)
{
	fprintf(stderr, "ipc-gateway: %s%s%s; see 'ipc-gateway --help'\n", what,
		argument ? ": " : "", argument ?: "");
	return 2;
}

/* Prints a text. Returns -1, which ends the program with success. */
static int say(const char *text)
{
	fputs(text, stdout);
	return -1;
}

/* Parses a number, which K, M or G may follow. Returns 0 unless it is from 1 to max. */
static unsigned long long number(const char *text, unsigned long long max)
{
	static const char units[] = "KMG";
	unsigned long long value;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	value = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1]))
		return 0;
	for (; unit && unit >= units; unit--) {
		if (value > max)
			return 0;
		value <<= 10;
	}
	return value > max ? 0 : value;
}

/* Returns true if only this machine can reach the address. The vsock number 1 is the machine
 * itself. */
static int is_local(const char *address)
{
	static const char *const hosts[] = { "unix:", "localhost:", "127.0.0.1:", "[::1]:",
					     "vsock:1:" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
		if (!strncmp(address, hosts[i], strlen(hosts[i])))
			return 1;
	return 0;
}

/* Returns true if the target of NAME=TARGET/SERVICE or NAME[=REMOTE]@TARGET needs no encryption or
 * uses TLS. Malformed texts are refused later. */
static int is_local_target(const char *text, char before)
{
	const char *target = strchr(text, before);

	if (!target || (before == '=' && !strchr(target, '/')))
		return 1;
	target++;
	/* No third machine can read between a virtual machine and its host. */
	if (!strncmp(target, "tls:", 4) || !strncmp(target, "vsock:", 6))
		return 1;
	return is_local(strncmp(target, "dns:///", 7) ? target : target + 7);
}

/* Returns whether the address has TLS for vsock, which the core does not support. */
static int is_tls_vsock(const char *address)
{
	return strstr(address, "tls:vsock:") != NULL;
}

static int check_target(const char *text, char before, int insecure)
{
	if (is_tls_vsock(text))
		return usage("a vsock: target has no TLS", text);
	if (!insecure && !is_local_target(text, before))
		return usage("refusing to connect in clear text; use tls: or --insecure", text);
	return 0;
}

/* Whether the port is valid: the core would interpret a port above 65535 as another port. */
static int has_port(const char *address)
{
	const char *port = strrchr(address, ':');
	size_t digits = port ? strspn(port + 1, "0123456789") : 0;

	return digits && digits <= 5 && !port[1 + digits] && strtoul(port + 1, NULL, 10) <= 65535;
}

static int check_address(const struct gateway_options *options, const char *address, int insecure)
{
	int tls = !strncmp(address, "tls:", 4);

	if (is_tls_vsock(address))
		return usage("a vsock: address has no TLS", address);
	if (strncmp(address, "unix:", 5) && strncmp(address, "vsock:", 6) && !has_port(address))
		return usage("an address of TCP ends in a port, a number from 0 to 65535", address);
	if (tls && !options->certificate)
		return usage("this address requires --tls-cert", address);
	if (!insecure && tls && !options->client_ca)
		return usage("refusing clients without certificates; use --tls-client-ca or --insecure",
			     address);
	if (!insecure && !tls && !is_local(address))
		return usage("refusing to listen in clear text; use tls: or --insecure", address);
	return 0;
}

static int check(const struct gateway_options *options, int insecure)
{
	if (!options->exports.n && !options->imports.n && !options->shared.n && !options->links.n)
		return usage("missing --export, --import, --share or --link", NULL);
	if ((options->exports.n || options->shared.n) && !options->listen.n)
		return usage("missing --listen", NULL);
	if (options->imports.n && !options->descriptor_set)
		return usage("missing --descriptor-set", NULL);
	for (size_t i = 0; i < options->imports.n; i++)
		if (check_target(options->imports.all[i], '=', insecure))
			return 2;
	for (size_t i = 0; i < options->links.n; i++)
		if (check_target(options->links.all[i], '@', insecure))
			return 2;
	if (!options->certificate != !options->key)
		return usage("--tls-cert and --tls-key go together", NULL);
	if (options->client_ca && !options->certificate)
		return usage("missing --tls-cert", NULL);
	for (size_t i = 0; i < options->listen.n; i++)
		if (check_address(options, options->listen.all[i], insecure))
			return 2;
	return 0;
}

static int set_number(const struct setting *setting, void *at, const char *text)
{
	unsigned long long value = number(text, setting->max);

	if (!value)
		return usage("not a number, or too large", text);
	if (setting->kind == SIZE)
		*(size_t *)at = value;
	else
		*(unsigned int *)at = (unsigned int)value;
	return 0;
}

/* Returns 0, the exit status, or -1 for success. */
static int set(struct command_line *line, const struct setting *setting)
{
	void *at = (char *)line + setting->at;
	struct gateway_list *list = at;

	switch (setting->kind) {
	case FLAG:
		*(int *)at = 1;
		return 0;
	case TEXT:
		*(const char **)at = optarg;
		return 0;
	case LIST:
		list->all[list->n++] = optarg;
		return 0;
	case HELP:
		return say(help);
	case VERSION:
		return say("ipc-gateway " IPC_VERSION "\n");
	default:
		return set_number(setting, at, optarg);
	}
}

/* Returns the same as set(). */
static int parse(struct command_line *line, int argc, char **argv)
{
	struct option options[N_SETTINGS + 1] = { 0 };
	int key, status = 0;

	for (size_t i = 0; i < N_SETTINGS; i++) {
		options[i].name = settings[i].name;
		options[i].val = settings[i].letter ?: FIRST_KEY + (int)i;
		options[i].has_arg = settings[i].kind == FLAG || settings[i].kind >= HELP ?
					     no_argument :
					     required_argument;
	}
	while (!status && (key = getopt_long(argc, argv, "e:l:i:s:k:d:h", options, NULL)) >= 0) {
		size_t i = 0;

		while (i < N_SETTINGS && options[i].val != key)
			i++;
		status = i < N_SETTINGS ? set(line, &settings[i]) : 2;
	}
	return status;
}

static int check_policy(const struct gateway_options *options, char **words)
{
	if (!options->policy)
		return usage("missing --policy", NULL);
	return peer_policy_check(options->policy, words);
}

static int run(const struct gateway_options *options, const char *word, int insecure)
{
	int status = word ? usage("unexpected argument", word) : check(options, insecure);

	return status ? status : gateway_run(options);
}

int main(int argc, char **argv)
{
	struct command_line line = {
		.options = {
			.limits = { .message_size = 4 << 20, .memory = 256 << 20, .streams = 100 },
			.max_connections = 10000,
			.max_calls = 1000,
			.keepalive_seconds = KEEPALIVE_SECONDS,
			.drain_seconds = 10,
		},
	};
	struct gateway_options *options = &line.options;
	struct gateway_list *const lists[] = { &options->exports, &options->imports,
					       &options->shared, &options->links,
					       &options->listen };
	const size_t n_lists = sizeof(lists) / sizeof(*lists);
	int status = 0;

	descriptor_fill_streams(O_RDWR);
	for (size_t i = 0; i < n_lists; i++) {
		lists[i]->all = calloc((size_t)argc, sizeof(char *));
		if (!lists[i]->all)
			status = usage("no memory", NULL);
	}
	if (!status)
		status = parse(&line, argc, argv);
	if (!status && line.flags.check_policy)
		status = check_policy(options, &argv[optind]);
	else if (!status)
		status = run(options, argv[optind], line.flags.insecure);
	for (size_t i = 0; i < n_lists; i++)
		free(lists[i]->all);
	return descriptor_flush_output("ipc-gateway", status < 0 ? 0 : status);
}
