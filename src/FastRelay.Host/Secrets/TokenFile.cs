namespace FastRelay.Host.Secrets;

/// <summary>The admin's token, the first line of a file of its own.</summary>
public static class TokenFile
{
    /// <summary>Fewest characters: what could be guessed is no credential.</summary>
    public const int Fewest = 16;

    /// <summary>Reads it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">What is wrong, for people; empty when all is well.</param>
    /// <returns>Null when something is wrong.</returns>
    public static string? Load(string path, out string problem)
    {
        problem = "";
        try
        {
            string token = SecretText.FirstLine(path);
            // RFC 6750 2.1: what may stand behind "Bearer".
            if (token.Length is >= Fewest and <= 256 && token.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~' or '+' or '/' or '='))
            {
                return token;
            }
            problem = $"admin.{SecretText.Name("token", path)}: the first line must be the token: {Fewest} to 256 letters, digits and - . _ ~ + / =, as \"openssl rand -hex 24\" makes it";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = $"admin.{SecretText.Key("token", path)}: cannot be read: {Unreadable.Text(path, e)}";
        }
        return null;
    }
}
