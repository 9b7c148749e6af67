// SPDX-License-Identifier: MIT
/*
 * ipc-gateway: the command line.
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../libipc/core/descriptor.h"
#include "gateway.h"
#include "guard.h"

/* By default, servers of gRPC allow a client one ping in five minutes. Some more, because a ping
 * that the network delays is followed too soon by the next. */
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
	"      --tls-client-ca FILE  who signs the certificates that clients need\n"
	"  -i, --import NAME=TARGET/SERVICE  the gRPC service at TARGET, as NAME\n"
	"      --descriptor-set FILE  what protoc --include_imports --descriptor_set_out wrote\n"
	"  -s, --share NAME        let linked gateways use the service that is registered as NAME\n"
	"  -k, --link NAME[=REMOTE]@TARGET  register NAME for what TARGET offers as REMOTE or NAME\n"
	"      --tls-server-ca FILE  who signs the certificates of tls: targets\n"
	"      --policy PATH       who may call what: a file, or a folder with *.conf files\n"
	"      --check-policy [CERTIFICATE RIGHT NAME]  check it, or ask what it says, and exit\n"
	"      --insecure          let everybody call who reaches an address\n"
	"      --metrics PATH      a Unix socket that has metrics, as OpenMetrics text\n"
	"  -d, --device PATH       the bus (default: $IPCBUS_DEVICE, else /dev/ipcbus or ipcbusd's)\n"
	"      --max-message SIZE  bytes of a message (default: 4M)\n"
	"      --max-calls N       calls that are open at a time (default: 1000)\n"
	"      --max-connections N  connections of clients (default: 10000, or half of the files that\n"
	"                          the gateway may have)\n"
	"      --peer-calls N      calls of one peer that are open at a time (default: --max-calls)\n"
	"      --user-calls N      calls to other machines of one user of the bus (default: half of\n"
	"                          --max-calls)\n"
	"      --max-streams N     calls of one connection at a time (default: 100)\n"
	"      --memory SIZE       bytes for what gRPC receives and sends (default: 256M)\n"
	"      --keepalive SECONDS  when to ping a server of an imported service that says\n"
	"                          nothing to an open call (default: 310)\n"
	"      --drain SECONDS     how long open calls may go on after SIGTERM (default: 10)\n"
	"  -h, --help              print this text\n"
	"      --version           print the version\n";

enum {
	KEY_INSECURE = 0x100,
	KEY_CERT,
	KEY_KEY,
	KEY_CLIENT_CA,
	KEY_SERVER_CA,
	KEY_SET,
	KEY_POLICY,
	KEY_CHECK,
	KEY_METRICS,
	KEY_MESSAGE,
	KEY_CALLS,
	KEY_CONNECTIONS,
	KEY_PEER_CALLS,
	KEY_USER_CALLS,
	KEY_STREAMS,
	KEY_MEMORY,
	KEY_KEEPALIVE,
	KEY_DRAIN,
	KEY_VERSION,
};

static const struct option long_options[] = {
	{ "export", required_argument, NULL, 'e' },
	{ "listen", required_argument, NULL, 'l' },
	{ "insecure", no_argument, NULL, KEY_INSECURE },
	{ "tls-cert", required_argument, NULL, KEY_CERT },
	{ "tls-key", required_argument, NULL, KEY_KEY },
	{ "tls-client-ca", required_argument, NULL, KEY_CLIENT_CA },
	{ "tls-server-ca", required_argument, NULL, KEY_SERVER_CA },
	{ "import", required_argument, NULL, 'i' },
	{ "descriptor-set", required_argument, NULL, KEY_SET },
	{ "share", required_argument, NULL, 's' },
	{ "link", required_argument, NULL, 'k' },
	{ "policy", required_argument, NULL, KEY_POLICY },
	{ "check-policy", no_argument, NULL, KEY_CHECK },
	{ "metrics", required_argument, NULL, KEY_METRICS },
	{ "device", required_argument, NULL, 'd' },
	{ "max-message", required_argument, NULL, KEY_MESSAGE },
	{ "max-calls", required_argument, NULL, KEY_CALLS },
	{ "max-connections", required_argument, NULL, KEY_CONNECTIONS },
	{ "peer-calls", required_argument, NULL, KEY_PEER_CALLS },
	{ "user-calls", required_argument, NULL, KEY_USER_CALLS },
	{ "max-streams", required_argument, NULL, KEY_STREAMS },
	{ "memory", required_argument, NULL, KEY_MEMORY },
	{ "keepalive", required_argument, NULL, KEY_KEEPALIVE },
	{ "drain", required_argument, NULL, KEY_DRAIN },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, KEY_VERSION },
	{ 0 },
};

static int usage(const char *what, const char *argument)
{
	fprintf(stderr, "ipc-gateway: %s%s%s; see 'ipc-gateway --help'\n", what,
		argument ? ": " : "", argument ?: "");
	return 2;
}

/* Ends the options, with success. */
static int say(const char *text)
{
	fputs(text, stdout);
	return -1;
}

/* A number with K, M or G behind it. 0: it is none, or not from 1 to max. */
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

/* Nobody else reaches it. Number 1 of virtual machines is each one's own. */
static int is_local(const char *address)
{
	static const char *const hosts[] = { "unix:", "localhost:", "127.0.0.1:", "[::1]:",
					     "vsock:1:" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
		if (!strncmp(address, hosts[i], strlen(hosts[i])))
			return 1;
	return 0;
}

/* Of NAME=TARGET/SERVICE, or NAME[=REMOTE]@TARGET. What is malformed is refused later. */
static int is_local_target(const char *text, char before)
{
	const char *target = strchr(text, before);

	if (!target || (before == '=' && !strchr(target, '/')))
		return 1;
	target++;
	/* Between a virtual machine and its host is nobody. */
	if (!strncmp(target, "tls:", 4) || !strncmp(target, "vsock:", 6))
		return 1;
	return is_local(strncmp(target, "dns:///", 7) ? target : target + 7);
}

/* There the core takes no TLS. */
static int is_tls_vsock(const char *address)
{
	return strstr(address, "tls:vsock:") != NULL;
}

static int check_target(const char *text, char before, int insecure)
{
	if (is_tls_vsock(text))
		return usage("a vsock: target has no TLS", text);
	if (!insecure && !is_local_target(text, before))
		return usage("others can read this; it takes tls: or --insecure", text);
	return 0;
}

/* The core takes a port above 65535 for another one. */
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
		return usage("this address takes --tls-cert", address);
	if (!insecure && tls && !options->client_ca)
		return usage("everybody may call here; it takes --tls-client-ca or --insecure",
			     address);
	if (!insecure && !tls && !is_local(address))
		return usage("others reach this address; it takes tls: or --insecure", address);
	return 0;
}

static int check(const struct gateway_options *options, int insecure)
{
	if (!options->n_exports && !options->n_imports && !options->n_shared && !options->n_links)
		return usage("missing --export, --import, --share or --link", NULL);
	if ((options->n_exports || options->n_shared) && !options->n_listen)
		return usage("missing --listen", NULL);
	if (options->n_imports && !options->descriptor_set)
		return usage("missing --descriptor-set", NULL);
	for (size_t i = 0; i < options->n_imports; i++)
		if (check_target(options->imports[i], '=', insecure))
			return 2;
	for (size_t i = 0; i < options->n_links; i++)
		if (check_target(options->links[i], '@', insecure))
			return 2;
	if (!options->certificate != !options->key)
		return usage("--tls-cert and --tls-key go together", NULL);
	if (options->client_ca && !options->certificate)
		return usage("missing --tls-cert", NULL);
	for (size_t i = 0; i < options->n_listen; i++)
		if (check_address(options, options->listen[i], insecure))
			return 2;
	return 0;
}

/* One limit: 0, or the exit status. */
static int limit(struct gateway_options *options, int key, const char *text)
{
	unsigned long long max = key == KEY_MEMORY ? 1ULL << 40 :
				 key == KEY_MESSAGE ? 256 << 20 :
				 key == KEY_DRAIN || key == KEY_KEEPALIVE ? 86400 : 1000000;
	unsigned long long value = number(text, max);

	if (!value)
		return usage("not a number, or too large", text);
	if (key == KEY_MESSAGE)
		options->limits.message_size = value;
	else if (key == KEY_MEMORY)
		options->limits.memory = value;
	else if (key == KEY_STREAMS)
		options->limits.streams = (int)value;
	else if (key == KEY_CALLS)
		options->max_calls = (unsigned int)value;
	else if (key == KEY_CONNECTIONS)
		options->max_connections = (unsigned int)value;
	else if (key == KEY_PEER_CALLS)
		options->peer_calls = (unsigned int)value;
	else if (key == KEY_USER_CALLS)
		options->user_calls = (unsigned int)value;
	else if (key == KEY_KEEPALIVE)
		options->keepalive_seconds = (unsigned int)value;
	else
		options->drain_seconds = (unsigned int)value;
	return 0;
}

/* What the options say beside those of the gateway. */
struct flags {
	int insecure;
	int check_policy;
};

/* One option: 0, the exit status, or -1 for success. */
static int option(struct gateway_options *options, int key, struct flags *flags)
{
	switch (key) {
	case 'e':
		options->exports[options->n_exports++] = optarg;
		return 0;
	case 'l':
		options->listen[options->n_listen++] = optarg;
		return 0;
	case 'i':
		options->imports[options->n_imports++] = optarg;
		return 0;
	case 's':
		options->shared[options->n_shared++] = optarg;
		return 0;
	case 'k':
		options->links[options->n_links++] = optarg;
		return 0;
	case 'd':
		options->device = optarg;
		return 0;
	case KEY_CERT:
		options->certificate = optarg;
		return 0;
	case KEY_KEY:
		options->key = optarg;
		return 0;
	case KEY_CLIENT_CA:
		options->client_ca = optarg;
		return 0;
	case KEY_SERVER_CA:
		options->server_ca = optarg;
		return 0;
	case KEY_SET:
		options->descriptor_set = optarg;
		return 0;
	case KEY_POLICY:
		options->policy = optarg;
		return 0;
	case KEY_CHECK:
		flags->check_policy = 1;
		return 0;
	case KEY_METRICS:
		options->metrics = optarg;
		return 0;
	case KEY_INSECURE:
		flags->insecure = 1;
		return 0;
	case 'h':
		return say(help);
	case KEY_VERSION:
		return say("ipc-gateway " IPC_VERSION "\n");
	case '?':
		return 2;
	default:
		return limit(options, key, optarg);
	}
}

static int check_policy(const struct gateway_options *options, char **words)
{
	if (!options->policy)
		return usage("missing --policy", NULL);
	return guard_check(options->policy, words);
}

static int run(const struct gateway_options *options, const char *word, int insecure)
{
	int status = word ? usage("unexpected argument", word) : check(options, insecure);

	return status ? status : gateway_run(options);
}

int main(int argc, char **argv)
{
	struct gateway_options options = {
		.exports = calloc(argc, sizeof(char *)),
		.listen = calloc(argc, sizeof(char *)),
		.imports = calloc(argc, sizeof(char *)),
		.shared = calloc(argc, sizeof(char *)),
		.links = calloc(argc, sizeof(char *)),
		.limits = { .message_size = 4 << 20, .memory = 256 << 20, .streams = 100 },
		.max_connections = 10000,
		.max_calls = 1000,
		.keepalive_seconds = KEEPALIVE_SECONDS,
		.drain_seconds = 10,
	};
	struct flags flags = { 0 };
	int key, status = 0;

	descriptor_fill_streams(O_RDWR);
	if (!options.exports || !options.listen || !options.imports || !options.shared ||
	    !options.links)
		status = usage("no memory", NULL);
	while (!status && (key = getopt_long(argc, argv, "e:l:i:s:k:d:h", long_options, NULL)) >= 0)
		status = option(&options, key, &flags);
	if (!status && flags.check_policy)
		status = check_policy(&options, &argv[optind]);
	else if (!status)
		status = run(&options, argv[optind], flags.insecure);
	free(options.exports);
	free(options.listen);
	free(options.imports);
	free(options.shared);
	free(options.links);
	return status < 0 ? 0 : status;
}
