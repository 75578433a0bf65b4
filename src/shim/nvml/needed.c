/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing: the library that this makes only has the name under which the driver's is needed. It is
 * never installed. */
