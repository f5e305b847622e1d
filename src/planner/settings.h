/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  Does somebody plan under settings of his own?
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SETTINGS_H
#define GUARD_SETTINGS_H

/*
 * Does a setting that costs or plans depend on come from the session, its role
 * or its client, rather than from the server or the database?  Raises nothing;
 * looks through all settings when it is first called in a session.
 */
extern bool guard_settings_own(void);

#endif							/* GUARD_SETTINGS_H */
