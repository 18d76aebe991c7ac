using FastRelay.Host.Secrets;
using FastRelay.Outside.Linux;
using FastRelay.Receive;
using FastRelay.Smtp;

namespace FastRelay.Tests.Host;

public sealed class UserCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("users").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_user_is_added_then_changed_and_others_stay_as_they_are()
    {
        string path = Path.Combine(_folder, "users");
        File.WriteAllText(path, "# people\n");
        Assert.False(UserFile.Set(path, "alice", "one"));
        Assert.False(UserFile.Set(path, "bob", "two"));
        string bob = File.ReadAllLines(path)[3];
        Assert.True(UserFile.Set(path, "alice", "three"));
        Assert.Equal(4, File.ReadAllLines(path).Length);
        Assert.Equal(bob, File.ReadAllLines(path)[3]);
        Assert.False(File.Exists(path + ".new"));
        UserTable users = UserFile.Load(path, out string problem)!;
        Assert.Equal("", problem);
        Assert.Equal(2, users.Count);
        Assert.True(users.Find("alice"u8, out _).Matches("three"u8));
        Assert.False(users.Find("alice"u8, out _).Matches("one"u8));
    }

    [Fact]
    public void Commands_at_the_same_time_wait_for_each_other()
    {
        string path = Path.Combine(_folder, "users");
        Parallel.For(0, 16, i => UserFile.Set(path, $"user{i}", "secret"));
        Assert.Equal(16, UserFile.Load(path, out _)!.Count);
        Assert.Equal(["users"], Directory.GetFiles(_folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_new_file_is_its_owners_and_an_existing_one_keeps_its_mode()
    {
        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        string path = Path.Combine(_folder, "users");
        Assert.False(UserFile.Set(path, "alice", "one"));
        Assert.Equal(owner, File.GetUnixFileMode(path));
        File.SetUnixFileMode(path, owner | UnixFileMode.GroupRead);
        Assert.True(UserFile.Set(path, "alice", "two"));
        Assert.Equal(owner | UnixFileMode.GroupRead, File.GetUnixFileMode(path));
        Assert.Throws<IOException>(() => UserFile.Set(Path.Combine(_folder, "no", "folder"), "alice", "one"));
    }

    [Fact]
    public void A_new_file_that_root_makes_is_read_by_the_group_of_its_folder()
    {
        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        string path = Path.Combine(_folder, "users");
        int folder = Libc.Open(_folder, Libc.O_DIRECTORY, 0);
        // Only root may: for anybody else a new file stays the owner's alone.
        bool isRoot = Libc.ChangeOwner(folder, 0, 65_533) == 0;
        _ = Libc.Close(folder);
        UserFile.Set(path, "alice", "one");
        Assert.Equal(0, Libc.OwnerAndMode(path, out _, out int group, out _));
        Assert.Equal(isRoot, group == 65_533);
        Assert.Equal(isRoot ? owner | UnixFileMode.GroupRead : owner, File.GetUnixFileMode(path));
    }

    [Fact]
    public void Who_does_not_exist_has_the_same_salt_after_every_renewal()
    {
        string path = Path.Combine(_folder, "users");
        UserFile.Set(path, "alice", "one");
        string salt = Convert.ToHexString(UserFile.Load(path, out _)!.Find("nobody"u8, out _).Salt);
        UserFile.Set(path, "bob", "two");
        Assert.Equal(salt, Convert.ToHexString(UserFile.Load(path, out _)!.Find("nobody"u8, out _).Salt));
        Assert.NotEqual(salt, Convert.ToHexString(UserFile.Load(path, out _)!.Find("nobody2"u8, out _).Salt));
        File.WriteAllText(path, "#secret:short\n");
        Assert.Null(UserFile.Load(path, out string problem));
        Assert.Contains("line 1: must be #secret:", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_missing_or_wrong_is_told()
    {
        Assert.Null(UserFile.Load(Path.Combine(_folder, "none"), out string problem));
        Assert.Contains("user add", problem, StringComparison.Ordinal);
        string path = Path.Combine(_folder, "wrong");
        File.WriteAllText(path, "alice:secret\n");
        Assert.Null(UserFile.Load(path, out problem));
        Assert.Contains("line 1", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("alice", true)]
    [InlineData("a@b.test", true)]
    [InlineData("", false)]
    [InlineData("a b", false)]
    [InlineData("a:b", false)]
    [InlineData("#a", false)]
    [InlineData("\u00e9", false)]
    public void A_name_is_printable_and_has_no_colon(string name, bool good) => Assert.Equal(good, UserTable.IsName(name));

    [Theory]
    [InlineData("pass word", true)]
    [InlineData("", false)]
    [InlineData("tab\t", false)]
    [InlineData("\u00e9", false)]
    public void A_password_is_printable_ASCII(string password, bool good) => Assert.Equal(good, SaslText.IsPassword(password));
}
