using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

/// <summary>What <c>check</c> says of the files that a configuration names, and where.</summary>
public sealed class ConfigFilesTests : IDisposable
{
    private const string Route = "[[route]]\ndomain = \"*\"\nto = \"smtp:[192.0.2.1]\"\nuser = \"me\"\n";
    private readonly string _folder = Directory.CreateTempSubdirectory("fastrelay-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private string Put(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        File.WriteAllText(At(name), text);
        return At(name);
    }

    private static (int Code, string Error) Check(string file)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (CommandLine.Run(["check", "--config", file], output, error), error.ToString());
    }

    [Theory]
    [InlineData("[tls]\ncertificate = \"no.crt\"\nkey = \"no.key\"\n", 2, "tls.certificate: cannot be read: ")]
    [InlineData("[tls]\nkey = \"no.key\"\ncertificate = \"there\"\n", 2, "tls.key: cannot be read: ")]
    [InlineData("[tls]\ncertificate = \"there\"\nkey = \"there\"\n", 2, "tls: ")]
    [InlineData("[tls]\nca = \"no.pem\"\n", 2, "tls.ca: cannot be read: ")]
    [InlineData("[auth]\n\nusers = \"no.users\"\n", 3, "auth.users: cannot be read: ")]
    [InlineData("[auth]\nusers = \"there\"\n", 2, "auth.users: ")]
    [InlineData("[admin]\ntoken_file = \"no.token\"\n", 2, "admin.token_file: cannot be read: ")]
    [InlineData("[admin]\ntoken_env = \"FASTRELAY_NO_SUCH_TOKEN\"\n", 2, "admin.token_env: cannot be read: ")]
    [InlineData(Route + "password_file = \"no.password\"\n", 5, "route \"*\": password_file: ")]
    [InlineData(Route + "password_env = \"FASTRELAY_NO_SUCH_PASSWORD\"\n", 5, "route \"*\": password_env: ")]
    [InlineData("\nspool = \"there/spool\"\n", 2, "spool: ")]
    [InlineData("\nspool = \"/proc/spool\"\n", 2, "spool: /proc/spool cannot be made: nobody can make a file in /proc, which is proc")]
    [InlineData("\n[events]\nfile = \"/tmp\"\n", 3, "events.file: /tmp is a directory")]
    public void An_error_of_a_file_is_told_at_the_key_that_names_it_in_the_file_where_that_stands(string text, int line, string says)
    {
        Put("there", "not what it should be\n");
        string alone = Put("alone.toml", text);
        (int code, string error) = Check(alone);
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.StartsWith($"{alone}:{line}: {says}", error);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
        string part = Put("inc/part.toml", text);
        (code, error) = Check(Put("main.toml", "hostname = \"relay.test\"\ninclude = [\"inc/*.toml\"]\n"));
        Assert.Equal(ExitCode.BadConfig, code);
        Assert.StartsWith($"{part}:{line}: {says}", error);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData("# hostname = \"relay.test\"\n   \t\r\n  # and so on")]
    [InlineData("\uFEFF")]
    public void A_file_without_a_key_is_taken_for_one_that_was_cut_off(string text)
    {
        string file = Put("relay.toml", text);
        (int code, string error) = Check(file);
        Assert.Equal((ExitCode.BadConfig, $"{file}: is empty, and was probably cut off: it must hold a key at least, as in hostname = \"relay.example.net\"\n"), (code, error));
        Put("relay.toml", text + "\nhostname = \"relay.test\"\n");
        Assert.Equal((ExitCode.Ok, ""), Check(file));
    }

    [Fact]
    public void A_directory_is_called_one()
    {
        (int code, string error) = Check(_folder);
        Assert.Equal((ExitCode.BadConfig, $"{_folder}: cannot be read: {_folder} is a directory\n"), (code, error));
        (code, error) = Check(Put("relay.toml", "[tls]\nca = \".\"\n"));
        Assert.Equal((ExitCode.BadConfig, $"{At("relay.toml")}:2: tls.ca: cannot be read: {_folder} is a directory\n"), (code, error));
    }

    [Fact]
    public void What_is_probably_not_meant_is_a_warning()
    {
        string users = Put("users", "#secret:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
        string token = Put("token", "0123456789abcdef\n");
        File.SetUnixFileMode(users, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.SetUnixFileMode(token, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        const string text = "hostname = \"relay.test\"\n[auth]\nusers = \"users\"\n[admin]\ntoken_file = \"token\"\n[events]\nfile = \"later/events\"\n";
        (int code, string error) = Check(Put("relay.toml", text));
        Assert.Equal(ExitCode.Ok, code);
        Assert.Equal(
            $"warning: events.file: there is no folder {At("later")}: events wait in memory until it is there\n"
            + $"warning: admin.token_file: {token} can be read by every user of this host: chmod o-r\n",
            error);
        Directory.CreateDirectory(At("later"));
        File.SetUnixFileMode(token, UnixFileMode.UserRead);
        Assert.Equal((ExitCode.Ok, ""), Check(At("relay.toml")));
        (_, error) = Check(Put("short.toml", "hostname = \"relay\"\n"));
        Assert.StartsWith("warning: hostname: \"relay\" has no dot: ", error);
    }
}
