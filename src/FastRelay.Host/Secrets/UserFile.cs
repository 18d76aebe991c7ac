using System.Security.Cryptography;
using System.Text;
using FastRelay.Config;
using FastRelay.Outside.Linux;
using FastRelay.Receive;

namespace FastRelay.Host.Secrets;

/// <summary>The file of users: read by <c>serve</c>, written by <c>user add</c>.</summary>
public static class UserFile
{
    /// <summary>Reads it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">What is wrong, for people; empty when all is well.</param>
    /// <returns>Null when something is wrong.</returns>
    public static UserTable? Load(string path, out string problem)
    {
        try
        {
            UserTable? users = UserTable.Read(PlainFile.Text(path), RandomNumberGenerator.GetBytes(32), out string wrong);
            problem = users is null ? $"auth.users: {path}: {wrong}" : "";
            return users;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = $"auth.users: cannot be read: {Unreadable.Text(path, e)}; \"fastrelay user add\" makes it";
            return null;
        }
    }

    /// <summary>Reads the one that a configuration names.</summary>
    /// <param name="config">May name none.</param>
    /// <param name="users">Null when it names none, and when something is wrong.</param>
    /// <param name="problem">What is wrong, for people; empty when all is well.</param>
    /// <returns>False when something is wrong: going on without users would take AUTH away.</returns>
    public static bool TryLoad(RelayConfig config, out UserTable? users, out string problem)
    {
        problem = "";
        users = config.UsersFile is { } path ? Load(path, out problem) : null;
        return problem.Length == 0;
    }

    /// <summary>Sets a user's password: replaces the line of the name, or adds one. The file is replaced in one step; a new one is readable by its owner only, one that root makes by the folder's group too.</summary>
    /// <returns>True when there was such a user.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be written.</exception>
    public static bool Set(string path, string name, string password)
    {
        byte[] octets = Encoding.ASCII.GetBytes(password);
        string line = $"{name}:{ScramVerifier.Make(octets, RandomNumberGenerator.GetBytes(ScramVerifier.SaltBytes), ScramVerifier.UsualIterations)}";
        CryptographicOperations.ZeroMemory(octets);
        return SafeReplace.Alone(path, () => SetLine(path, name, line));
    }

    private static bool SetLine(string path, string name, string line)
    {
        List<string> lines = File.Exists(path) ? [.. File.ReadAllLines(path)] : [];
        if (!lines.Exists(static l => l.TrimStart().StartsWith(UserTable.SecretMark, StringComparison.Ordinal)))
        {
            // Whoever asks for a user that does not exist is given a salt that comes from it, the same one for ever.
            lines.Add(UserTable.SecretMark + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        }
        int at = lines.FindIndex(l => l.TrimStart().StartsWith(name + ":", StringComparison.Ordinal));
        if (at < 0)
        {
            lines.Add(line);
        }
        else
        {
            lines[at] = line;
        }
        SafeReplace.Write(path, string.Concat(lines.Select(static one => one + "\n")));
        return at >= 0;
    }
}
