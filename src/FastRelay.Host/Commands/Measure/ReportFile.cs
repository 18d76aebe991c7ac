namespace FastRelay.Host.Commands;

/// <summary>The file of a report. A name that cannot be one is told before the measurement, and what cannot be written at its end is not lost.</summary>
internal static class ReportFile
{
    /// <summary>Looks whether a file can be made there; what is there already stays as it is.</summary>
    /// <param name="option">That names it.</param>
    /// <param name="path">As given; null for none.</param>
    /// <exception cref="LoadUsageException">It cannot.</exception>
    public static void CheckPath(string option, string? path)
    {
        // A file, a device or a pipe that is there is not opened: that it was would be news to its reader.
        if (path is null || File.Exists(path))
        {
            return;
        }
        try
        {
            File.Open(path, FileMode.CreateNew, FileAccess.Write).Dispose();
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new LoadUsageException($"{option} {path}: {e.Message}");
        }
    }

    /// <summary>Writes a report to its file.</summary>
    /// <param name="path">As given; null for <paramref name="output"/>.</param>
    /// <param name="text">Without a final newline.</param>
    /// <param name="output">Takes it without a path, and when the file cannot be written.</param>
    /// <param name="error">Takes the reason then.</param>
    /// <returns>False when the file cannot be written.</returns>
    public static bool Write(string? path, string text, TextWriter output, TextWriter error)
    {
        if (path is not null && TryWrite(path, text, error))
        {
            return true;
        }
        output.WriteLine(text);
        output.Flush();
        return path is null;
    }

    /// <summary>Writes a file, or says why it cannot.</summary>
    public static bool TryWrite(string path, string text, TextWriter error)
    {
        try
        {
            File.WriteAllText(path, text + "\n");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"fastrelay: {path}: {e.Message}");
            return false;
        }
    }
}
