// SPDX-License-Identifier: MIT
/*
 * A QEMU plugin that records the address of each instruction that the guest executes between marks
 * (trace.h): 64-bit words, with a 0 before each round. bench/profile loads it, and fold.c reads its
 * output.
 *
 * Recording each instruction is slow, so recording begins only when the guest program executes
 * TRACE_ARM. All code is then translated again, with a callback.
 *
 * Debian's packages have no header for QEMU's plugin interface, so the necessary declarations are
 * here. They are the same in all versions of the interface. The build determines the version that
 * QEMU needs.
 */
#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;

#define QEMU_PLUGIN_CB_NO_REGS 0

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id,
								   struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int vcpu, void *userdata),
					    int flags, void *userdata);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *userdata),
				    void *userdata);
void qemu_plugin_reset(uint64_t id, void (*cb)(uint64_t id));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = TRACER_INTERFACE;

static uint64_t plugin_id;
static FILE *out;
static bool armed;
static bool recording;

static void put(uint64_t word)
{
	fwrite(&word, sizeof(word), 1, out);
}

static void on_insn(unsigned int vcpu, void *userdata)
{
	(void)vcpu;
	if (recording)
		put((uintptr_t)userdata);
}

static void watch_insn(struct qemu_plugin_insn *insn, uint64_t address);

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		watch_insn(insn, qemu_plugin_insn_vaddr(insn));
	}
}

static void on_reset(uint64_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
}

static void on_mark(unsigned int vcpu, void *userdata)
{
	(void)vcpu;
	switch ((uintptr_t)userdata) {
	case TRACE_ARM:
		armed = true;
		qemu_plugin_reset(plugin_id, on_reset);
		break;
	case TRACE_ROUND:
		recording = true;
		put(0);
		break;
	case TRACE_STOP:
		recording = false;
		put(0);
		fflush(out);
		break;
	}
}

static void watch_insn(struct qemu_plugin_insn *insn, uint64_t address)
{
	bool mark = address >= TRACE_PAGE && address < TRACE_PAGE + 4096;

	if (mark || armed)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, mark ? on_mark : on_insn,
						       QEMU_PLUGIN_CB_NO_REGS,
						       (void *)(uintptr_t)address);
}

static void on_exit(uint64_t id, void *userdata)
{
	(void)id;
	(void)userdata;
	fclose(out);
}

/* The argument is "out=FILE". */
__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void *info,
							       int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) {
		fprintf(stderr, "tracer: wants out=FILE\n");
		return -1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return -1;
	}
	plugin_id = id;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit, NULL);
	return 0;
}
