mod audio;
mod cuts;
mod faults;
mod noises;
mod recording;
