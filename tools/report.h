/* SPDX-License-Identifier: MIT */
/*
 * A report about a bus for those who have to find a fault in it: ipcctl dump --all.
 */
#ifndef IPCCTL_REPORT_H
#define IPCCTL_REPORT_H

/* Prints it. What failed is part of it. Returns an enum status. */
int report_put(void);

#endif
