// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title Shares of a splitter that gather their dividends (ERC-20)
/// @notice For exchange pools, bridges and whatever else holds a token without claiming its
/// dividends. One pooled share is one share of the splitter and all dividends that a share has
/// earned since the first deposit: whoever holds it in the end gets both, wherever it lay meanwhile.
/// All pooled shares are alike, so whoever deposits a share brings along what the others have
/// gathered.
/// @dev Goes by the splitter's index, never by what lies here: with I the index of a token now, Iₒ
/// that at the first deposit and S all shares of the splitter, a pooled share stands for
/// (I − Iₒ) / S of the token; deposits are rounded up, redemptions down. When the last pooled share
/// is redeemed the next deposit is a first one. The splitter's list of tokens cannot change while
/// there are pooled shares, since nobody else can hold all shares then. Shares and coins that are
/// sent here without a deposit are nobody's.
interface IPooledShares {
    /// @param account Who brought the shares.
    /// @param receiver Who got the pooled shares.
    /// @param shares How many of both.
    /// @param paid Base units brought along, by the splitter's tokens.
    event Deposited(
        address indexed account,
        address indexed receiver,
        uint256 shares,
        uint256[] paid
    );
    /// @param account Whose pooled shares were burned, and who may withdraw the dividends.
    /// @param receiver Who got the shares.
    /// @param shares How many of both.
    /// @param credited Base units, by the splitter's tokens.
    event Redeemed(
        address indexed account,
        address indexed receiver,
        uint256 shares,
        uint256[] credited
    );
    /// @param token The dividend token.
    /// @param account Whose dividends were paid.
    /// @param receiver Who got them.
    /// @param amount Base units.
    event Withdrawn(
        address indexed token,
        address indexed account,
        address receiver,
        uint256 amount
    );

    /// @dev Nothing to deposit or redeem.
    error ZeroShares();
    /// @dev The splitter has `count` dividend tokens, `given` limits were given.
    error WrongLimits(uint256 given, uint256 count);
    /// @dev `due` base units of `token` have to be brought along, more than `max`.
    error TooMuchDue(address token, uint256 due, uint256 max);
    /// @dev The receiver is zero or this contract.
    error BadReceiver(address receiver);

    /// @notice Takes shares, with what each has to bring along, and gives as many pooled shares.
    /// @dev The caller approves this contract for the shares, and for each token that is due.
    /// @param maxDue The most that the caller brings along, by the splitter's tokens.
    function deposit(uint256 shares, address receiver, uint256[] calldata maxDue) external;

    /// @notice Burns the caller's pooled shares, sends as many shares to `receiver` and credits
    /// their dividends to the caller.
    /// @dev Moves no coin, so that none that is paused or frozen keeps anybody from the shares.
    function redeem(uint256 shares, address receiver) external;

    /// @notice Pays what redemptions have credited to the caller, pulling it if needed.
    /// @return amount Base units; 0 if there is nothing.
    function withdraw(address token, address receiver) external returns (uint256 amount);

    /// @notice What `deposit` would ask for now, by the splitter's tokens, rounded up.
    function dueOn(uint256 shares) external view returns (uint256[] memory);

    /// @notice What `redeem` would credit now, by the splitter's tokens, rounded down.
    function gatheredBy(uint256 shares) external view returns (uint256[] memory);

    /// @notice What `withdraw` would pay `account` now.
    function creditOf(address token, address account) external view returns (uint256);

    /// @notice The splitter whose shares these are.
    function SPLITTER() external view returns (IRevenueSplitter);
}
