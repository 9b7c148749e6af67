/* SPDX-License-Identifier: MIT */
/* Read-side sections and grace periods: see rcu.c. */
#pragma once

#include "../lock.h"

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

#ifdef SHIM_LEAN
static inline void rcu_read_lock(void)
{
	shim_thread.held.rcu++;
	if (unlikely(!shim_thread.announces))
		shim_rcu_enter();
}

static inline void rcu_read_unlock(void)
{
	shim_thread.held.rcu--;
	if (unlikely(!shim_thread.announces))
		shim_rcu_leave();
}
#else
void rcu_read_lock(void);
void rcu_read_unlock(void);
#endif
void rcu_barrier(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void shim_kfree_rcu(void *object);

#ifdef SHIM_LEAN
/* Frees the object after a grace period. A small number instead of a callback is the offset of the
 * head in the object. */
#define kfree_rcu(object, field)                                              \
	call_rcu(&(object)->field,                                            \
		 (void (*)(struct rcu_head *))offsetof(__typeof__(*(object)), field))
#else
#define kfree_rcu(object, field) shim_kfree_rcu(({ (void)&(object)->field; (object); }))
#endif
#define kvfree_rcu(object, field) kfree_rcu(object, field)

#define RCU_INIT_POINTER(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELAXED)
#define rcu_assign_pointer(p, v) smp_store_release(&(p), v)
#define rcu_dereference(p) ({ shim_rcu_check(#p); smp_load_acquire(&(p)); })
#define rcu_dereference_protected(p, cond)                                    \
	({                                                                    \
		if (!(cond))                                                  \
			shim_panic("rcu: %s is read without its lock at %s:%d", #p, \
				   __FILE__, __LINE__);                       \
		__atomic_load_n(&(p), __ATOMIC_RELAXED);                      \
	})

/* Called by spinlocks, which are read-side sections. */
void shim_rcu_enter(void);
void shim_rcu_leave(void);
/* Ends the program if it is called outside a read-side section. */
#ifdef SHIM_LEAN
#define shim_rcu_check(what) do { } while (0)
#else
void shim_rcu_check(const char *what);
#endif
