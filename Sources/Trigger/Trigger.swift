// Trigger
