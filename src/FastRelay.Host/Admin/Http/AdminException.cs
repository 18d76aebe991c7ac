namespace FastRelay.Host.Admin;

/// <summary>The asker's mistake, in words for people.</summary>
/// <param name="message">What would be right.</param>
public sealed class AdminException(string message) : Exception(message);
