/* SPDX-License-Identifier: MIT */
/*
 * From one stack to another. swapcontext() also saves the mask of signals, by two system
 * calls, which took a quarter of the driver fuzzer's time. No fiber changes that mask.
 *
 * Included by sched.c only.
 */
#pragma once

#include <stddef.h>

#ifdef __x86_64__

#include <stdint.h>

/* The registers that a function must keep are on its stack. */
struct shim_context {
	void *sp;
};

void shim_switch_stacks(void **save, void *to);

__asm__(".pushsection .text\n"
	".local shim_switch_stacks\n"
	".type shim_switch_stacks, @function\n"
	"shim_switch_stacks:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size shim_switch_stacks, . - shim_switch_stacks\n"
	".popsection\n");

/* The first switch to it calls fn, which never returns. */
static inline void shim_context_make(struct shim_context *context, void *stack, size_t size,
				     void (*fn)(void))
{
	uintptr_t *top = (uintptr_t *)((char *)stack + size);

	*--top = 0;	/* fn's return address, where backtraces end */
	*--top = (uintptr_t)fn;
	for (int i = 0; i < 6; i++)
		*--top = 0;
	context->sp = top;
}

static inline void shim_context_switch(struct shim_context *from, struct shim_context *to)
{
	shim_switch_stacks(&from->sp, to->sp);
}

#else

#include <ucontext.h>

struct shim_context {
	ucontext_t context;
};

static inline void shim_context_make(struct shim_context *context, void *stack, size_t size,
				     void (*fn)(void))
{
	getcontext(&context->context);
	context->context.uc_stack.ss_sp = stack;
	context->context.uc_stack.ss_size = size;
	makecontext(&context->context, fn, 0);
}

static inline void shim_context_switch(struct shim_context *from, struct shim_context *to)
{
	swapcontext(&from->context, &to->context);
}

#endif
