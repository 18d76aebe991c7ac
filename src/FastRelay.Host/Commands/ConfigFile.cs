using System.CommandLine;
using System.IO.Enumeration;
using System.Net;
using System.Net.Sockets;
using FastRelay.Config;
using FastRelay.Host.Secrets;
using FastRelay.Routing;

namespace FastRelay.Host.Commands;

/// <summary>The <c>--config</c> option, and the file behind it.</summary>
public static class ConfigFile
{
    /// <summary>A new option for one command.</summary>
    public static Option<string?> Option() => new("--config", "-c")
    {
        Description = "Configuration file (TOML); without it serve is a relay for this host on 127.0.0.1:2525, and commands that ask a running relay read $FASTRELAY_CONFIG or " + Packaged,
        HelpName = "FILE",
    };

    /// <summary>The variable of the environment that names the file of commands which are given none.</summary>
    public const string Variable = "FASTRELAY_CONFIG";

    /// <summary>Where the packages put it.</summary>
    public const string Packaged = "/etc/fastrelay/fastrelay.toml";

    /// <summary>
    /// The file of a command that is about a relay that runs, or has run: the one that is given; that of the environment; the package's,
    /// unless a relay that was started here without one is meant. No file of the folder that one happens to be in is ever read: it could
    /// send a token anywhere.
    /// </summary>
    /// <param name="given">By <c>--config</c>.</param>
    /// <returns>Null for what holds without a file.</returns>
    public static string? OfClient(string? given) => OfClient(given, Environment.GetEnvironmentVariable(Variable), Packaged, Environment.CurrentDirectory);

    internal static string? OfClient(string? given, string? named, string packaged, string folder) =>
        given ?? (string.IsNullOrEmpty(named) ? IsSpool(Path.Combine(folder, "spool")) || !IsReadable(packaged) ? null : packaged : named);

    // Any system has a folder of this name somewhere, as /var/spool.
    private static bool IsSpool(string folder)
    {
        try
        {
            return File.Exists(Path.Combine(folder, "admin.sock")) || (Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.seg").Any());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsReadable(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads the configuration; what is wrong goes to <paramref name="error"/>, one line each.</summary>
    /// <param name="path">The file, or null for what holds without one.</param>
    /// <param name="error">Complaints.</param>
    /// <param name="warnings">Takes what is allowed and worth a second look; null when nobody asks.</param>
    /// <returns>Null when it is wrong.</returns>
    public static RelayConfig? Load(string? path, TextWriter error, List<string>? warnings = null)
    {
        ConfigResult result = Read(path);
        foreach (ConfigError problem in result.Errors)
        {
            error.WriteLine(problem.ToString());
        }
        warnings?.AddRange(result.Warnings.Select(static warning => warning.ToString()));
        return result.Config;
    }

    /// <summary>The same without complaints: what reading came to.</summary>
    public static ConfigResult Read(string? path)
    {
        if (path is null)
        {
            return new ConfigResult(RelayConfig.Default(Environment.MachineName, Environment.CurrentDirectory), [], []);
        }
        string text;
        try
        {
            text = PlainFile.Text(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ConfigResult(null, [new ConfigError(path, 0, "", $"cannot be read: {Unreadable.Text(path, e)}")], []);
        }
        if (IsEmpty(text))
        {
            // It would mean the defaults: no route, so that all mail would leave by MX.
            return new ConfigResult(null, [new ConfigError(path, 0, "", "is empty, and was probably cut off: it must hold a key at least, as in hostname = \"relay.example.net\"")], []);
        }
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return ConfigReader.Read(text, path, folder, Environment.MachineName, CheckTarget, Included, CheckSource);
    }

    private static bool IsEmpty(ReadOnlySpan<char> text)
    {
        foreach (ReadOnlySpan<char> line in text.EnumerateLines())
        {
            ReadOnlySpan<char> said = line.Trim();
            // The name of a table is no key: a file may be cut off behind it.
            if (said.Length > 0 && said[0] is not ('#' or '['))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>The files of an <c>include</c>, read; a folder that cannot be looked into gives one without text.</summary>
    internal static IReadOnlyList<IncludedFile> Included(string pattern, string folder)
    {
        string full;
        try
        {
            full = Path.GetFullPath(pattern, folder);
        }
        catch (ArgumentException)
        {
            return [new IncludedFile(pattern, null, "is no path")];
        }
        string name = Path.GetFileName(full);
        if (name.AsSpan().IndexOfAny('*', '?') < 0)
        {
            return [ReadOne(full)];
        }
        string parent = Path.GetDirectoryName(full)!;
        try
        {
            return [.. Directory.EnumerateFiles(parent).Where(path => FileSystemName.MatchesSimpleExpression(name, Path.GetFileName(path), ignoreCase: false)).Order(StringComparer.Ordinal).Select(ReadOne)];
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing is there: the same as a folder in which nothing matches.
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [new IncludedFile(parent, null, $"the folder cannot be read: {e.Message}")];
        }
    }

    private static IncludedFile ReadOne(string path)
    {
        try
        {
            return new IncludedFile(path, PlainFile.Text(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new IncludedFile(path, null, $"cannot be read: {Unreadable.Text(path, e)}");
        }
    }

    /// <summary>By what a dial from it does first.</summary>
    private static string? CheckSource(IPAddress address)
    {
        try
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 0));
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.AddressNotAvailable
                ? "is no address of this machine: connections from it fail until it is one"
                : $"cannot be used for connections: {e.Message}";
        }
    }

    private static string? CheckTarget(string to) => NextHop.TryParse(to, out _, out string error) ? null : error;
}
