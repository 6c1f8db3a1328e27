"""Published names as thin adapters over today's classes; nothing new lives here."""
