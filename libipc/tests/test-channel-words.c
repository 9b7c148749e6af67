// SPDX-License-Identifier: MIT
/*
 * A hostile client writes each word of both parts of a direct channel, with each value at a limit,
 * at each event in the life of the channel. The server must serve another client all the time,
 * through its channel. Afterwards it must sleep, and all channels of the hostile client must be
 * gone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel-run.h"
#include "shm/channel-memory.h"
#include "channels/channel-server.h"
#include "core/own.h"
#include "core/call.h"

/* In child processes, where a failure must not run the test's cleanup. */
#define MUST(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "hostile: %d: %s\n", __LINE__, #cond); \
			_exit(3);                                              \
		}                                                              \
	} while (0)

/* --- The server -------------------------------------------------------------------------- */

/* A method of all objects here. */
#define END_OBJECT 1000U

static const struct ipc_raw_ops ops;

static int give_object(struct ipc_call *call)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	int r = ipc_raw_object_new(ipc_call_ipc(call), &ops, NULL, &entry.object);

	if (r == 0)
		r = ipc_raw_reply(call, &(struct ipc_raw_message){ .entries = &entry,
								   .n_entries = 1 });
	ipc_object_unref(entry.object);
	return r;
}

/* A code that the hostile client has written must not call any method. */
static int serve(struct ipc_call *call, const struct ipc_raw_message *request, void *userdata)
{
	if (is_route_call(call->number) && request->method != WHERE && request->method != SLEEP)
		return ipc_call_is_oneway(call) ? 0 : -EOPNOTSUPP;
	if (request->method == GIVE_OBJECT)
		return give_object(call);
	if (request->method != END_OBJECT)
		return server_ops.serve(call, request, userdata);
	ipc_object_end(call->object);
	return reply_number(call, 0);
}

static const struct ipc_raw_ops ops = { .serve = serve };

/* --- A channel that is opened by hand ---------------------------------------------------- */

struct opened {
	struct channel_client_part *own;
	struct channel_server_part *peer;
	struct ipc_object *life;
};

/* Opens a channel to the object. Waits while the limit of the user is reached: the server must
 * remove channels that were closed before. life: NULL for an object of this process. */
static void open_by_hand(struct opened *opened, struct ipc_proxy *object, struct ipc_proxy *life)
{
	struct ipc_raw_message request = { .method = IPC_NUMBER_CHANNEL }, *door, *reply;
	struct ipc_raw_entry entries[3];
	int r, tries = 0;

	do {
		const int fd = channel_memory_new(CHANNEL_PART_SIZE);

		MUST(fd >= 0);
		/* Unlike in libipc, a forked child inherits this mapping. */
		opened->own = mmap(NULL, 2 * CHANNEL_PART_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				   fd, 0);
		MUST(opened->own != MAP_FAILED);
		opened->peer = (void *)(opened->own + 1);
		opened->life = NULL;
		if (!life)
			MUST(ipc_raw_object_new(ipc, &server_ops, NULL, &opened->life) == 0);
		entries[0] = (struct ipc_raw_entry){ .type = IPC_RAW_FD, .fd = fd };
		entries[1] = (struct ipc_raw_entry){ .type = IPC_RAW_PROXY, .proxy = object };
		entries[2] = life ? (struct ipc_raw_entry){ .type = IPC_RAW_PROXY, .proxy = life } :
				    (struct ipc_raw_entry){ .type = IPC_RAW_OBJECT,
							    .object = opened->life };
		r = ipc_raw_call(object, &request, NULL, &door, NULL);
		MUST(r == 0);
		r = ipc_raw_call(door->entries[0].proxy,
				 &(struct ipc_raw_message){ .method = CHANNEL_OPEN,
							    .entries = entries,
							    .n_entries = 3 },
				 NULL, &reply, NULL);
		ipc_raw_free(door);
		close(fd);
		if (r == 0)
			ipc_raw_free(reply);
		else
			ipc_object_unref(opened->life);
		if (r == -EDQUOT)
			usleep(1000);
	} while (r == -EDQUOT && tries++ < 20000);
	MUST(r == 0);
}

static void wake(struct opened *opened)
{
	atomic_fetch_add(&opened->own->tail, 1);
	channel_wake(&opened->own->tail, 1);
}

static void close_by_hand(struct opened *opened)
{
	if (opened->life)
		ipc_object_end(opened->life);
	ipc_object_unref(opened->life);
	munmap(opened->own, 2 * CHANNEL_PART_SIZE);
}

/* --- Words and values -------------------------------------------------------------------- */

/* Returns the nth word, or NULL behind the last. The server's part is writable, too. */
static uint32_t *word_of(const struct opened *opened, unsigned int n)
{
	struct channel_client_part *own = opened->own;
	struct channel_server_part *peer = opened->peer;
	struct channel_request *request = channel_request_at(own, 0);
	struct channel_reply *reply = channel_reply_at(peer, 0);
	struct channel_oneway *oneway = (void *)own->ring;
	void *words[] = {
		&own->tail, &own->posted[0], &own->posted[CHANNEL_LARGE],
		&own->posted[CHANNEL_HUGE], &own->sent, &own->cpu, &own->others, &own->waiting,
		&own->polls, &request->cpu, &request->canceled, &request->code, &request->size,
		&request->deadline, (uint32_t *)&request->deadline + 1, &oneway->epoch,
		&oneway->size, &oneway->code, &peer->waiting, &peer->cpu, &peer->ended,
		&peer->polls, &peer->tail, &peer->taken[0], &peer->drained, &reply->number,
		&reply->thread, &reply->kind, &reply->error, &reply->size, NULL,
	};

	return words[n];
}

static const uint32_t values[] = {
	0, 1, 2, 15, 16, 17, 31, 32, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffff0, 0xffffffff,
	CHANNEL_DATA_MAX, CHANNEL_DATA_MAX + 1, CHANNEL_RING_SIZE - 16, CHANNEL_RING_SIZE - 1,
	CHANNEL_RING_SIZE, CHANNEL_RING_SIZE + 1, CHANNEL_RING_SIZE + 16, 0x100000,
	CHANNEL_HUGE_MAX + 1,
};

#define VALUES (sizeof(values) / sizeof(values[0]))

/* The nth value: as it is, or added to the old value, or subtracted. */
static uint32_t value_of(unsigned int n, uint32_t old)
{
	uint32_t value = values[n % VALUES];

	return n < VALUES ? value : n < 2 * VALUES ? old + value : old - value;
}

static void put(struct opened *opened, uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	wake(opened);
}

/* --- Events ------------------------------------------------------------------------------ */

enum event {
	BEHIND_MESSAGES,	/* after a call and a oneway */
	BACK_AND_FORTH,		/* and then the old value again */
	AFTER_DROP,		/* after the server has ended the channel because of the oneways */
	SECOND_CHANNEL,		/* while another channel of the client opens */
	OBJECT_ENDS,
	FIRST_DEATH,
	DEATH = FIRST_DEATH,	/* the process ends meanwhile */
	DEATH_AFTER_DROP,
	DEATH_BEFORE_FENCE,	/* while a oneway of a later epoch is in the ring */
	DEATH_BEFORE_REAP,	/* and the object of the channel belongs to another process */
	DEATH_OF_PARENT,	/* and a child still writes for a while */
	EVENTS,
};

static void send_messages(struct opened *opened, uint32_t epoch)
{
	struct channel_caller caller = { .own = opened->own, .peer = (void *)opened->peer };
	const struct channel_call call = { .code = WHERE };

	channel_post(&caller, 0, &call);
	MUST(channel_reserve_oneway(&caller, 4));
	channel_send_oneway(&caller, epoch, ADD, 4);
}

/* Makes the server drop the oneways and end the channel. */
static void be_dropped(struct opened *opened, uint32_t sent)
{
	opened->own->sent = sent;
	wake(opened);
	for (int i = 0; i < 20000 && !atomic_load(&opened->peer->ended); i++)
		usleep(100);
	MUST(atomic_load(&opened->peer->ended));
}

static _Noreturn void write_for_a_while(struct opened *opened, uint32_t *word, uint32_t value)
{
	for (int i = 0; i < 50; i++) {
		put(opened, word, value + (unsigned int)i % 3);
		opened->own->sent += 16;
		usleep(200);
	}
	_exit(0);
}

static struct ipc_proxy *given(uint32_t code)
{
	struct ipc_raw_message *reply;
	struct ipc_proxy *object;

	MUST(ipc_raw_call(proxy, &(struct ipc_raw_message){ .method = code }, NULL, &reply, NULL) ==
	     0);
	object = ipc_proxy_ref(reply->entries[0].proxy);
	ipc_raw_free(reply);
	return object;
}

static void attack(enum event event, unsigned int word, unsigned int value)
{
	struct ipc_proxy *object = event == OBJECT_ENDS ? given(GIVE_OBJECT) : ipc_proxy_ref(proxy);
	struct ipc_proxy *life = event == DEATH_BEFORE_REAP ? given(GET_BACK) : NULL;
	const bool drops = event == AFTER_DROP || event == DEATH_AFTER_DROP;
	struct opened opened, second;
	uint32_t *at, old;

	/* Behind the client's part the server has a hole, in which a read beyond the part fails. */
	if (drops)
		open_by_hand(&second, object, NULL);
	open_by_hand(&opened, object, life);
	if (drops)
		close_by_hand(&second);
	at = word_of(&opened, word);
	if (drops)
		be_dropped(&opened, value % 3 ? CHANNEL_RING_SIZE - 1 : CHANNEL_RING_SIZE + 16);
	else
		send_messages(&opened, event == DEATH_BEFORE_FENCE ? 7 : 0);
	old = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (event == DEATH_OF_PARENT && !fork())
		write_for_a_while(&opened, at, value_of(value, old));
	put(&opened, at, value_of(value, old));
	if (event >= FIRST_DEATH)
		_exit(0);
	if (event == BACK_AND_FORTH)
		put(&opened, at, old);
	if (event == OBJECT_ENDS)
		MUST(ipc_raw_call(object, &(struct ipc_raw_message){ .method = END_OBJECT },
				  NULL, NULL, NULL) == 0);
	if (event == SECOND_CHANNEL) {
		open_by_hand(&second, object, NULL);
		put(&second, word_of(&second, word), value_of(value, old));
		close_by_hand(&second);
	}
	close_by_hand(&opened);
	ipc_proxy_unref(object);
}

/* --- The other client -------------------------------------------------------------------- */

/* Whether no thread of the server runs or wants to run, for a while. */
static bool server_sleeps(void)
{
	char path[300], text[200];
	struct dirent *entry;
	bool sleeps = true;
	FILE *file;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)server);
	tasks = opendir(path);
	ck_assert_ptr_nonnull(tasks);
	while ((entry = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)server, entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!file)
			continue;
		sleeps = sleeps && fgets(text, sizeof(text), file) && strstr(text, ") S ");
		fclose(file);
	}
	closedir(tasks);
	return sleeps;
}

/* The test takes too long if that never comes. */
static void await_quiet(void)
{
	for (int quiet = 0; quiet < 10; quiet = server_sleeps() ? quiet + 1 : 0)
		usleep(1000);
}

static void await_child(pid_t child)
{
	int status;

	while (waitpid(child, &status, WNOHANG) != child) {
		ck_assert_uint_eq(get(WHERE), 1);
		usleep(500);
	}
	ck_assert_int_eq(status, 0);
}

static pid_t fork_client(void)
{
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("IPC_CHANNELS", "0", 1);
	connect_again();
	return 0;
}

/* The life object of DEATH_BEFORE_REAP. */
static struct ipc_object *give_life(void)
{
	struct ipc_raw_entry entry = { .type = IPC_RAW_OBJECT };
	struct ipc_raw_message request = { .method = SET_BACK, .entries = &entry, .n_entries = 1 };

	ck_assert_int_eq(ipc_raw_object_new(ipc, &server_ops, NULL, &entry.object), 0);
	ck_assert_int_eq(ipc_raw_call(proxy, &request, NULL, NULL, NULL), 0);
	return entry.object;
}

static bool is_last(unsigned int word, unsigned int value)
{
	static struct channel_client_part own;
	static struct channel_server_part peer;

	return value >= 3 * VALUES ||
	       !word_of(&(struct opened){ .own = &own, .peer = &peer }, word);
}

/* All values, or every nth of them, which are others for each word. */
static bool is_chosen(enum event event, unsigned int word, unsigned int value)
{
	unsigned int n = event >= FIRST_DEATH ? 5 : event >= SECOND_CHANNEL ? 3 : 1;

	return value % n == word % n;
}

static void attack_at(enum event event)
{
	unsigned int before;
	struct ipc_object *life;

	begin_ops(2, "1", &ops);
	while (!get(WHERE))
		;
	life = give_life();
	before = count_parts();
	for (unsigned int word = 0; !is_last(word, 0); word++) {
		pid_t child = event < FIRST_DEATH ? fork_client() : 1;

		for (unsigned int value = 0; !is_last(word, value); value++) {
			if (!is_chosen(event, word, value))
				continue;
			/* A process for each value. */
			if (event >= FIRST_DEATH)
				child = fork_client();
			if (!child)
				attack(event, word, value);
			else if (event >= FIRST_DEATH)
				await_child(child);
		}
		if (!child)
			_exit(0);
		if (event < FIRST_DEATH)
			await_child(child);
		await_quiet();
	}
	while (count_parts() > before)
		get(SLEEP);
	ck_assert_uint_eq(get(WHERE), 1);
	ipc_object_unref(life);
	end();
}

#define WORDS_AT(name, event)    \
	START_TEST(name)         \
	{                        \
		attack_at(event); \
	}                        \
	END_TEST

WORDS_AT(words_behind_messages_harm_no_other_client, BEHIND_MESSAGES)
WORDS_AT(words_that_change_back_harm_no_other_client, BACK_AND_FORTH)
WORDS_AT(words_after_a_drop_harm_no_other_client, AFTER_DROP)
WORDS_AT(words_beside_a_second_channel_harm_no_other_client, SECOND_CHANNEL)
WORDS_AT(words_at_the_end_of_the_object_harm_no_other_client, OBJECT_ENDS)
WORDS_AT(words_of_a_process_that_dies_harm_no_other_client, DEATH)
WORDS_AT(words_after_a_drop_of_a_process_that_dies_harm_no_other_client, DEATH_AFTER_DROP)
WORDS_AT(words_before_a_fence_that_never_comes_harm_no_other_client, DEATH_BEFORE_FENCE)
WORDS_AT(words_of_a_process_that_dies_alone_harm_no_other_client, DEATH_BEFORE_REAP)
WORDS_AT(words_that_a_child_writes_after_the_death_harm_no_other_client, DEATH_OF_PARENT)

int main(void)
{
	return RUN_TESTS("channel-words", words_behind_messages_harm_no_other_client,
			 words_that_change_back_harm_no_other_client,
			 words_after_a_drop_harm_no_other_client,
			 words_beside_a_second_channel_harm_no_other_client,
			 words_at_the_end_of_the_object_harm_no_other_client,
			 words_of_a_process_that_dies_harm_no_other_client,
			 words_after_a_drop_of_a_process_that_dies_harm_no_other_client,
			 words_before_a_fence_that_never_comes_harm_no_other_client,
			 words_of_a_process_that_dies_alone_harm_no_other_client,
			 words_that_a_child_writes_after_the_death_harm_no_other_client);
}
