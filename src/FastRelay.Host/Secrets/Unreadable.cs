namespace FastRelay.Host.Secrets;

/// <summary>Why a file cannot be read, for people.</summary>
internal static class Unreadable
{
    /// <summary>The reason; of a folder the system says only that access is denied.</summary>
    public static string Text(string path, Exception wrong) => Directory.Exists(path) ? $"{path} is a directory" : wrong.Message;
}
