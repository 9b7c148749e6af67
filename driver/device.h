/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/ipcbus, the file of the default bus
 *
 * A character device with a number of its own. The kernel opens those that share one, as
 * misc_register() makes them, one at a time: whoever opens it would wait for whoever else
 * opens any of them, for a page of a memory cgroup that has none left, or for a turn on the
 * CPU.
 */
#ifndef IPCBUS_DEVICE_H
#define IPCBUS_DEVICE_H

/* Its name may be there a moment before it can be opened, which gives -ENXIO. */
int ipcbus_device_init(void);
void ipcbus_device_done(void);

#endif
