"""Where labelled images come from: archives on disk and scenes rendered by the project itself."""
