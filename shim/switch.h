/* SPDX-License-Identifier: MIT */
/*
 * Switches between stacks. swapcontext() also saves the signal mask, by two system calls, but no
 * fiber changes that mask. Only one file of a program may include this header.
 */
#pragma once

/* Pushes the callee-saved registers, stores the stack pointer to *from, and continues at to. */
void shim_switch(void **from, void *to);

#if defined(__x86_64__)
__asm__(".pushsection .text\n"
	".globl shim_switch\n"
	".type shim_switch, @function\n"
	"shim_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size shim_switch, . - shim_switch\n"
	".popsection\n");

/* The frame has six registers, the return address, and one word that aligns the stack as after a
 * call. */
static inline void *shim_first_frame(void *top, void (*entry)(void))
{
	void **sp = top;

	*--sp = NULL;
	*--sp = (void *)entry;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	return sp;
}
#elif defined(__aarch64__)
__asm__(".pushsection .text\n"
	".globl shim_switch\n"
	".type shim_switch, %function\n"
	"shim_switch:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	".size shim_switch, . - shim_switch\n"
	".popsection\n");

static inline void *shim_first_frame(void *top, void (*entry)(void))
{
	void **sp = (void **)top - 20;

	for (int i = 0; i < 20; i++)
		sp[i] = NULL;
	sp[11] = (void *)entry;
	return sp;
}
#else
#error "write shim_switch() for this processor"
#endif
