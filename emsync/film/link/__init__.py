"""A film from a link: fetched by yt-dlp in a process that can reach public addresses only."""
