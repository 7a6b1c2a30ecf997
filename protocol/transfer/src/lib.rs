//! Which range from which source next; who gets our upload.
