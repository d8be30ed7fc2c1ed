//! Recovery, story by story.
