using System.CommandLine;
using System.Text;
using FastRelay.Host.Secrets;
using FastRelay.Receive;
using SaslText = FastRelay.Smtp.SaslText;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay user add</c>: who may authenticate.</summary>
public static class UserCommand
{
    /// <summary>The command with its only child.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "user",
            "Keeps the file of the users that may authenticate ([auth] users). It holds no passwords, only what is needed to check them.",
            "fastrelay user add --file users alice");
        command.Subcommands.Add(Add());
        return command;
    }

    private static TaughtCommand Add()
    {
        var command = new TaughtCommand(
            "add",
            "Adds a user, or sets another password for one. The password is asked for, or is the first line of standard input; it never stands on the command line. A running relay takes the change by itself.",
            "fastrelay user add --file users alice",
            "fastrelay user add --config relay.toml alice < password");
        var name = new Argument<string>("NAME") { Description = "Printable ASCII without spaces and colons, at most 255 characters" };
        var file = new Option<string?>("--file", "-f") { Description = "The file; without it the one that the configuration names", HelpName = "FILE" };
        Option<string?> config = ConfigFile.Option();
        command.Arguments.Add(name);
        command.Options.Add(file);
        command.Options.Add(config);
        command.SetAction(result => Run(
            result.GetValue(name)!, result.GetValue(file), result.GetValue(config), result.InvocationConfiguration.Output, result.InvocationConfiguration.Error));
        return command;
    }

    private static int Run(string name, string? file, string? config, TextWriter output, TextWriter error)
    {
        if (file is null && config is not null)
        {
            if (ConfigFile.Load(config, error) is not { } known)
            {
                return ExitCode.BadConfig;
            }
            file = known.UsersFile;
        }
        if (file is null)
        {
            error.WriteLine("fastrelay: which file: give --file FILE, or --config with [auth] users in it");
            return ExitCode.Usage;
        }
        bool same = true;
        if (!UserTable.IsName(name))
        {
            error.WriteLine("fastrelay: a name is printable ASCII without spaces and colons, at most 255 characters, and does not begin with #");
            return ExitCode.Usage;
        }
        string? password = Console.IsInputRedirected ? Console.In.ReadLine() : Ask(error, out same);
        if (!same)
        {
            error.WriteLine("fastrelay: the two are not the same: nothing was changed");
            return ExitCode.Failure;
        }
        if (password is null || !SaslText.IsPassword(password))
        {
            error.WriteLine("fastrelay: a password is 1 to 255 printable ASCII characters: other characters are written differently by different clients");
            return ExitCode.Failure;
        }
        try
        {
            bool replaced = UserFile.Set(file, name, password);
            output.WriteLine(replaced ? $"{name}: password changed in {file}" : $"{name}: added to {file}");
            return ExitCode.Ok;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"fastrelay: {file}: {e.Message}");
            return ExitCode.Failure;
        }
    }

    private static string? Ask(TextWriter error, out bool same)
    {
        error.Write("Password: ");
        string? first = ReadHidden();
        error.Write("\nAgain: ");
        string? second = ReadHidden();
        error.WriteLine();
        same = first == second;
        return first;
    }

    private static string? ReadHidden()
    {
        var text = new StringBuilder();
        while (true)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            switch (key.Key)
            {
                case ConsoleKey.Enter:
                    return text.ToString();
                case ConsoleKey.Backspace when text.Length > 0:
                    text.Length--;
                    break;
                case ConsoleKey.D when key.Modifiers == ConsoleModifiers.Control:
                    return null;
                default:
                    if (key.KeyChar != 0)
                    {
                        text.Append(key.KeyChar);
                    }
                    break;
            }
        }
    }
}
