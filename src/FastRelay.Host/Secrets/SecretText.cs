using FastRelay.Config;

namespace FastRelay.Host.Secrets;

/// <summary>Reads a secret from where it is: the first line of a file, or of a variable of the environment.</summary>
internal static class SecretText
{
    /// <summary>The first line, as editors and echo leave it; empty when there is none.</summary>
    /// <exception cref="IOException">It is not there, or no regular file.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not for us.</exception>
    public static string FirstLine(string place)
    {
        if (SecretPlace.VariableOf(place) is not { } name)
        {
            return PlainFile.FirstLine(place);
        }
        string text = Environment.GetEnvironmentVariable(name) ?? throw new IOException($"there is no variable {name} in the environment");
        return text.Split('\n')[0].TrimEnd('\r');
    }

    /// <summary>The key that says the place.</summary>
    public static string Key(string key, string place) => key + (SecretPlace.VariableOf(place) is null ? "_file" : "_env");

    /// <summary>The same with the place.</summary>
    public static string Name(string key, string place) => $"{Key(key, place)}: {SecretPlace.VariableOf(place) ?? place}";
}
